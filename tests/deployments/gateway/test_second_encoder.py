"""A bank of two encoders: both predict, and the first alone where the second is missing."""

import asyncio

import numpy as np
import pytest

from scope import AnchorPredictor
from tests.deployments.local import Site
from tests.factories.banks import unit
from tests.factories.second_encoders import SECOND, fitted_with_both

LEFT, RIGHT = "left: 2 + 2?", "right: 2 + 2?"
"""Prompts that only the second encoder tells apart: one of the models is right on each."""
LIMITS = {"decision_ms": 400}


def second_vectors(texts):
    """What the second encoder knows, as the anchors of `second_kinds` have it."""
    return unit([[-2.0 if text.startswith("right") else 2.0, 0.3, 0, 0, 0, 0] for text in texts])


@pytest.fixture(scope="module")
def bank():
    return fitted_with_both()


@pytest.fixture
def site(tmp_path, bank):
    return Site(tmp_path, bank, second=second_vectors)


def ask(client, *prompts):
    answer = client.post("/v1/route", json={"prompts": prompts})
    assert answer.status_code == 200, answer.json()
    return answer.json()["decisions"]


def p_small(decision):
    return next(c["p_correct"] for c in decision["candidates"] if c["model"] == "small")


def first_alone(site, prompts):
    """P(small) offline by the first encoder alone."""
    embedded = site.embedder.answer(prompts)
    estimates, _ = AnchorPredictor(site.bank).predict(embedded.embedding_qd, embedded.features_qf)
    return estimates.p_correct_qm[:, 0].tolist()


def test_both_encoders_predict_as_in_a_batch(site):
    """
    The numbers of `scope predict`; no decision is degraded.
    """
    prompts = [LEFT, RIGHT]
    with site.open() as client:
        decisions = ask(client, *prompts)

    embedded = site.embedder.answer(prompts)
    offline, _ = AnchorPredictor(site.bank).predict(
        embedded.embedding_qd, embedded.features_qf, second_qy=second_vectors(prompts)
    )
    assert [p_small(d) for d in decisions] == offline.p_correct_qm[:, 0].tolist()
    assert p_small(decisions[0]) > 0.65 > 0.35 > p_small(decisions[1])
    assert [d["degraded"] for d in decisions] == [None, None]


@pytest.mark.parametrize("kind", ["late", "full", "down", "broken"])
def test_without_the_second_the_first_alone_predicts(site, kind):
    """
    Header and decision say so; the prediction is not cached, so that the next is whole.
    """
    with site.open() as client:
        site.second_embedder.failing = ("second embedder", kind)
        answer = client.post("/v1/route", json={"prompt": LEFT})
        site.second_embedder.failing = None
        (again,) = ask(client, LEFT)

    assert answer.json()["degraded"] == f"second embedder {kind}"
    assert answer.headers["x-scope-degraded"] == f"second embedder {kind}"
    assert p_small(answer.json()) == first_alone(site, [LEFT])[0]
    assert again["degraded"] is None
    assert p_small(again) > 0.65


def test_a_second_encoder_that_hangs_takes_half_of_the_time(site):
    """
    The predictor has the other half, and the prompt its prediction. A call that takes all of its
    time counts as slow, so that the circuit opens.
    """
    limits, answer = [], site.second_embedder.call

    async def hang(argument, *, timeout_s, slow_call_s):
        limits.append((timeout_s, slow_call_s))
        await asyncio.sleep(timeout_s)
        site.second_embedder.failing = ("second embedder", "late")
        return await answer(argument, timeout_s=timeout_s, slow_call_s=slow_call_s)

    site.second_embedder.call = hang
    with site.open(limits=LIMITS) as client:
        decision = client.post("/v1/route", json={"prompt": LEFT}).json()

    ((timeout_s, slow_call_s),) = limits
    assert slow_call_s < timeout_s <= 0.2
    assert decision["degraded"] == "second embedder late"
    assert p_small(decision) == first_alone(site, [LEFT])[0]


def test_a_text_that_the_second_cannot_embed_is_alone_in_it(tmp_path, bank):
    """
    The other text of the batch is predicted with both.
    """

    def embed(texts):
        vectors = second_vectors(texts)
        vectors[[text == LEFT for text in texts]] = np.nan
        return vectors

    site = Site(tmp_path, bank, second=embed)
    with site.open() as client:
        left, right = ask(client, LEFT, RIGHT)

    assert (left["degraded"], right["degraded"]) == ("second embedder broken", None)
    assert p_small(left) == first_alone(site, [LEFT, RIGHT])[0]
    assert p_small(right) < 0.35


def test_vectors_of_another_encoder_are_not_used(site):
    """
    During a roll-out the second embedder may belong to another bank.
    """
    embed = site.second_embedder.answer
    site.second_embedder.answer = lambda texts: embed(texts)._replace(
        embedder=SECOND.model_copy(update={"layer": 3})
    )
    with site.open() as client:
        (decision,) = ask(client, LEFT)

    assert decision["degraded"] == "second embedder of another bank"


def test_without_the_first_the_means_decide(site):
    """
    The second alone predicts nothing.
    """
    with site.open() as client:
        site.embedder.failing = ("embedder", "down")
        (decision,) = ask(client, LEFT)

    assert (decision["source"], decision["degraded"]) == ("means", "embedder down")
