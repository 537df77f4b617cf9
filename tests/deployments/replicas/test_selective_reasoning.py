"""Whom the engine is asked about, whatever it says and in whatever order."""

import asyncio
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.protocol.remote_call import RemoteCallError
from deployments.replicas.selective_reasoning import QueryScheduler, QuestionQuery
from scope.fusion.blend import Blend
from scope.fusion.selective_query import QueryRule, SelectiveQuery
from scope.policy.policy import ExpectedValue, MaxCost, MinQuality
from scope.reasoner.answers import ReasonerPrediction, ReasonerPredictions
from tests.factories.banks import LARGE, MIDDLE, SMALL, predictions_of

MODELS = (SMALL, MIDDLE, LARGE, *(SMALL.model_copy(update={"id": f"s{n}"}) for n in range(3)))
N = len(MODELS)
BLEND = Blend(1.0, 1.0, np.zeros(N), -2.0, 2.0, 0.3, np.zeros(N), 1.0, 0.5)

probability = st.floats(0.05, 0.95)
lists = st.lists(probability, min_size=N, max_size=N)
policies = st.one_of(
    st.floats(0, 1e4).map(ExpectedValue),
    st.just(ExpectedValue(math.inf)),
    probability.map(MinQuality),
    st.floats(1e-6, 1e-2).map(MaxCost),
)


def question(p_m):
    """Estimates of one question at the models' prices."""
    cost_m = [model.cost_usd(np.array(100.0), np.array(100.0)) for model in MODELS]
    return predictions_of([p_m], [cost_m]).estimates


class Engine:
    """Answers as it is told, each after so many turns of the loop."""

    def __init__(self, p_yes_m, turns_m=(0,) * N, failing=()):
        self.p_yes_m, self.turns_m, self.failing = p_yes_m, turns_m, failing
        self.asked, self.under_way, self.most = [], 0, 0

    async def ask(self, m, timeout_s):
        self.asked.append(m)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(self.turns_m[m]):
                await asyncio.sleep(0)
            if m in self.failing:
                raise RemoteCallError("engine", self.failing[m])
            return ReasonerPrediction(self.p_yes_m[m], 100.0)
        finally:
            self.under_way -= 1


def inquire(engine, policy, p_m, *, at_once=1, timeout_s=60.0, known=None, mode="exact"):
    """Ask about one question; returns the inquiry and whom the policy takes then."""
    cascade = SelectiveQuery(policy, BLEND, question(p_m), MODELS, QueryRule(mode))
    inquiry = QuestionQuery(cascade, (known or {}).get, engine.ask)

    async def run():
        await QueryScheduler([inquiry], at_once=at_once, timeout_s=timeout_s).run()
        await asyncio.sleep(0)  # who was cancelled ends

    asyncio.run(run())
    return inquiry, chosen(policy, p_m, inquiry.answers)


def chosen(policy, p_m, answers):
    """Whom the policy takes after these answers."""
    p_yes_qm, tokens_qm = np.full((2, 1, N), np.nan)
    for m, answer in answers.items():
        p_yes_qm[0, m], tokens_qm[0, m] = answer.p_yes, answer.tokens
    blended = BLEND.apply(question(p_m), ReasonerPredictions(p_yes_qm, tokens_qm), MODELS)
    (m,) = policy.choose(blended.p_correct_qm, blended.cost_usd_qm).model_q
    return m


@given(
    policies,
    lists,
    lists,
    st.lists(st.integers(0, 5), min_size=N, max_size=N),
    st.integers(1, N),
)
def test_the_choice_is_that_of_asking_about_everybody(policy, p_m, p_yes_m, turns_m, at_once):
    """
    In whatever order answers come; nobody is asked about twice, and no more are under way than
    may be.
    """
    engine = Engine(p_yes_m, turns_m)
    inquiry, m = inquire(engine, policy, p_m, at_once=at_once)

    everyone = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m)}
    assert m == chosen(policy, p_m, everyone)
    assert len(engine.asked) == len(set(engine.asked))
    assert engine.most <= at_once
    assert engine.under_way == 0
    assert (inquiry.incomplete_reason, inquiry.failed) == (None, [])
    assert inquiry.n_queries + inquiry.cascade.n_avoided == N
    assert len(inquiry.answers) + inquiry.cancelled == inquiry.n_queries


@given(policies, lists, lists, st.sets(st.integers(0, N - 1)))
def test_it_ends_whoever_fails(policy, p_m, p_yes_m, failing):
    """
    What a failed answer would have changed stays as the anchors say.
    """
    engine = Engine(p_yes_m, failing=dict.fromkeys(failing, "broken"))
    inquiry, m = inquire(engine, policy, p_m, at_once=2)

    others = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m) if m not in failing}
    assert m == chosen(policy, p_m, others)
    assert set(inquiry.answers) <= set(others)
    assert set(inquiry.failed) <= {"engine broken"}


@given(policies, lists, lists, st.integers(1, N))
def test_what_is_known_is_not_asked_for(policy, p_m, p_yes_m, at_once):
    """
    An engine that nobody needs may be dead.
    """
    engine = Engine(p_yes_m, failing=dict.fromkeys(range(N), "down"))
    known = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m)}
    inquiry, m = inquire(engine, policy, p_m, at_once=at_once, known=known)

    assert m == chosen(policy, p_m, known)
    assert engine.asked == []
    assert inquiry.incomplete_reason is None


@pytest.mark.parametrize("how", ["down", "full"])
def test_an_engine_that_is_gone_is_asked_once(how):
    """
    The rest of the question, too, goes without.
    """
    engine = Engine([0.5] * N, failing=dict.fromkeys(range(N), how))
    inquiry, _ = inquire(engine, ExpectedValue(0.0), [0.5] * N)

    assert len(engine.asked) == 1
    assert inquiry.incomplete_reason == f"engine {how}"


def test_after_the_deadline_nobody_is_asked():
    """
    What was answered until then counts.
    """

    class Slow(Engine):
        async def ask(self, m, timeout_s):
            await asyncio.sleep(0.02)
            return await super().ask(m, timeout_s)

    engine = Slow([0.5] * N)
    began_at = time.monotonic()
    inquiry, _ = inquire(engine, ExpectedValue(0.0), [0.5] * N, timeout_s=0.03)

    assert time.monotonic() - began_at < 1
    assert 1 <= len(engine.asked) < N
    assert len(inquiry.answers) == len(engine.asked)
    assert inquiry.incomplete_reason == "engine late"


def test_questions_take_turns():
    """
    The one that comes first does not take all that may be under way.
    """
    engines = [Engine([0.5] * N, (50,) * N) for _ in range(3)]
    inquiries = [
        QuestionQuery(
            SelectiveQuery(ExpectedValue(0.0), BLEND, question([0.5] * N), MODELS), {}.get, one.ask
        )
        for one in engines
    ]

    async def begin():
        task = asyncio.ensure_future(QueryScheduler(inquiries, at_once=6, timeout_s=60).run())
        for _ in range(5):
            await asyncio.sleep(0)
        at_first = [one.under_way for one in engines]
        await task
        return at_first

    assert asyncio.run(begin()) == [2, 2, 2]
