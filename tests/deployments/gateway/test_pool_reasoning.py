"""One query about all models of the bank, over HTTP: when it is made, and how it is used."""

import math
import time

import numpy as np
import pytest
from ray.serve.exceptions import BackPressureError

from deployments.protocol.remote_call import RemoteCall
from deployments.replicas.reasoner import ReasonerArgs
from tests.deployments.engine import POLICIES, Engine, taught, with_all_answers
from tests.deployments.local import Site
from tests.factories.banks import LARGE, MIDDLE, SMALL, two_kinds

MODELS = (SMALL, MIDDLE, LARGE)
NAMES = "small\nmiddle\nlarge"
EXACT = {"mode": "exact", "deadline_ms": 30_000, "max_concurrency": 4}
PROMPTS = [f"the {'law' if n % 2 else 'sum'} of {n}" for n in range(40)]


@pytest.fixture
def engine(checkpoint):
    return Engine(checkpoint)


@pytest.fixture
def site(tmp_path, checkpoint, engine):
    """A Router whose bank was fitted for prompts about the pool, with three models."""
    args = ReasonerArgs(checkpoint=str(checkpoint), max_context_tokens=4096, form="pool")
    bank = taught(two_kinds(models=MODELS), args)
    hop = RemoteCall("engine", engine.complete, open_s=60.0)
    return Site(tmp_path, bank, reasoner=args, engine=hop)


def route(client, *prompts, **wish):
    """The decisions on prompts."""
    got = client.post("/v1/route", json={"prompts": prompts, "scope": wish})
    assert got.status_code == 200, got.text
    return got.json()["decisions"]


@pytest.mark.parametrize("policy", POLICIES)
def test_exact_decides_with_the_answers_about_all_models(site, engine, policy):
    """
    As offline; one query a question at most, which names the models in the order of the bank.
    """
    with site.open(policy=policy, reasoning=EXACT) as client:
        got = route(client, *PROMPTS)
        queried = list(engine.queried)
        site.configure(policy=policy)
        plain = route(client, *PROMPTS)

    for prompt, decision, anchors in zip(PROMPTS, got, plain, strict=True):
        model, p_m = with_all_answers(site.bank, prompt, anchors)
        assert decision["model"] == model, prompt
        if decision["reasoning"]["n_queries"]:
            here_m = [one["p_correct"] for one in decision["candidates"]]
            np.testing.assert_allclose(here_m, p_m)
    needed = [one["reasoning"]["n_queries"] for one in got]
    assert sorted(queried) == sorted(
        (prompt, NAMES) for prompt, n in zip(PROMPTS, needed, strict=True) if n
    )
    assert {one["reasoning"]["n_queries"] + one["reasoning"]["n_avoided"] for one in got} <= {1}
    assert {one["degraded"] for one in got} == {None}


def test_one_query_serves_all_objectives(site, engine):
    """
    Every later decision on the same prompt takes its answers from the Router's cache.
    """
    with site.open(reasoning=EXACT) as client:
        (first,) = route(client, "a law", alpha=1.0)
        again = [route(client, "a law", alpha=alpha)[0] for alpha in (1.0, 0.6, 0.3)]

    assert first["reasoning"]["n_queries"] == len(engine.queried) == 1
    assert [one["reasoning"]["n_queries"] for one in again] == [0] * 3
    assert again[0]["candidates"] == first["candidates"]


def test_the_predictor_keeps_the_answers_too(site, engine):
    """
    Without a cache in the Router a question is still queried once.
    """
    with site.open(policy={"alpha": 1.0}, max_cached_predictions=0, reasoning=EXACT) as client:
        (first,) = route(client, "a law")
        (again,) = route(client, "a law")

    assert len(engine.queried) == 1
    assert again["candidates"] == first["candidates"]


def test_a_deny_list_changes_neither_the_prompt_nor_the_answers(site, engine):
    """
    A line depends on the lines before it: the prompt is about the models that the bank was fitted
    with, and a later request that permits all of them makes no query.
    """
    with site.open(policy={"alpha": 1.0}, reasoning=EXACT) as client:
        (some,) = route(client, "a law", denied_models=["small"])
        (whole,) = route(client, "a law")

    assert engine.queried == [("a law", NAMES)]
    p_of = {one["model"]: one["p_correct"] for one in whole["candidates"]}
    assert {one["model"]: one["p_correct"] for one in some["candidates"]} == {
        model: p_of[model] for model in ("middle", "large")
    }


@pytest.mark.parametrize(
    ("failing", "degraded"),
    [
        pytest.param(
            BackPressureError(num_queued_requests=9, max_queued_requests=9),
            "engine full",
            id="full",
        ),
        pytest.param(RuntimeError("EngineCore is dead"), "engine broken", id="broken"),
    ],
)
def test_a_query_that_fails_leaves_the_decision_to_the_anchors(site, engine, failing, degraded):
    """
    There is no second one about another model.
    """
    with site.open(policy={"alpha": 1.0}) as client:
        (before,) = route(client, "a law")
        site.configure(policy={"alpha": 1.0}, reasoning=EXACT)
        engine.failing = failing
        (got,) = route(client, "a law")

    assert len(engine.queried) == 1
    assert (got["model"], got["candidates"]) == (before["model"], before["candidates"])
    assert got["degraded"] == got["reasoning"]["degraded"] == degraded


def test_a_query_that_is_late_is_cancelled(site, engine):
    """
    At the deadline, in the engine, too.
    """
    engine.pace_s = math.inf
    settings = EXACT | {"deadline_ms": 300}
    with site.open(policy={"alpha": 1.0}, reasoning=settings) as client:
        began_at = time.monotonic()
        (got,) = route(client, "a law")

    assert 0.3 <= time.monotonic() - began_at < 2.0
    assert got["degraded"] == "engine late"
    assert engine.cancelled == engine.queried == [("a law", NAMES)]


def test_expected_makes_no_query_that_is_not_worth_it(site, engine):
    """
    At a thousand dollars a token there is none.
    """
    dear = EXACT | {"mode": "expected", "usd_per_mtok": 1e9}
    with site.open(policy={"alpha": 0.5}, reasoning=dear) as client:
        got = route(client, *PROMPTS)
        n_dear = len(engine.queried)
        site.configure(policy={"alpha": 0.5}, reasoning=dear | {"usd_per_mtok": 0.0})
        route(client, *PROMPTS)

    assert n_dear == sum(one["reasoning"]["n_queries"] for one in got) == 0
    assert 0 < len(engine.queried) <= len(PROMPTS)
