"""Which models the engine is queried about, for any predictions in any order."""

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
    """An engine with fixed predictions, each after some iterations of the event loop."""

    def __init__(self, p_yes_m, n_iterations_m=(0,) * N, failing=(), *, answers_all=False):
        self.p_yes_m, self.n_iterations_m, self.failing = p_yes_m, n_iterations_m, failing
        self.answers_all = answers_all
        self.queries, self.in_flight, self.max_in_flight = [], 0, 0

    async def query(self, m, timeout_s):
        self.queries.append(m)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            for _ in range(self.n_iterations_m[m]):
                await asyncio.sleep(0)
            if m in self.failing:
                raise RemoteCallError("engine", self.failing[m])
            answered = range(N) if self.answers_all else [m]
            return {m: ReasonerPrediction(self.p_yes_m[m], 100.0) for m in answered}
        finally:
            self.in_flight -= 1


def query_of(engine, policy, p_m, *, known=None, mode="exact"):
    """The queries of one question, of which all models are eligible."""
    selective_query = SelectiveQuery(
        policy, BLEND, question(p_m), MODELS, QueryRule(mode), one_query=engine.answers_all
    )
    known = known or {}

    def cached(m):
        answered = answered_with(m)
        return {m: known[m] for m in answered} if known.keys() >= set(answered) else None

    def answered_with(m):
        return range(N) if engine.answers_all else [m]

    return QuestionQuery(selective_query, range(N), cached, engine.query, answered_with)


def run_query(engine, policy, p_m, *, max_concurrency=1, timeout_s=60.0, known=None, mode="exact"):
    """Query about one question; returns its state and the model that the policy chooses."""
    query = query_of(engine, policy, p_m, known=known, mode=mode)

    async def run():
        await QueryScheduler([query], max_concurrency=max_concurrency, timeout_s=timeout_s).run()
        await asyncio.sleep(0)  # the cancelled tasks end

    asyncio.run(run())
    return query, chosen(policy, p_m, query.predictions)


def chosen(policy, p_m, predictions):
    """The model that the policy chooses with these predictions."""
    p_yes_qm, tokens_qm = np.full((2, 1, N), np.nan)
    for m, prediction in predictions.items():
        p_yes_qm[0, m], tokens_qm[0, m] = prediction.p_yes, prediction.tokens
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
def test_the_choice_is_that_of_querying_all_models(
    policy, p_m, p_yes_m, n_iterations_m, max_concurrency
):
    """
    In any order of the predictions; no model is queried twice, and the limit of concurrent calls
    holds.
    """
    engine = Engine(p_yes_m, n_iterations_m)
    query, m = run_query(engine, policy, p_m, max_concurrency=max_concurrency)

    predictions = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m)}
    assert m == chosen(policy, p_m, predictions)
    assert len(engine.queries) == len(set(engine.queries))
    assert engine.max_in_flight <= max_concurrency
    assert engine.in_flight == 0
    assert (query.incomplete_reason, query.failed) == (None, [])
    assert query.n_queries + query.selective_query.n_avoided == N
    assert len(query.predictions) + query.cancelled == query.n_queries


@given(policies, lists, lists, st.sets(st.integers(0, N - 1)))
def test_failed_calls_leave_the_estimates_of_the_anchors(policy, p_m, p_yes_m, failing):
    """
    The run ends, whichever calls fail.
    """
    engine = Engine(p_yes_m, failing=dict.fromkeys(failing, "broken"))
    query, m = run_query(engine, policy, p_m, max_concurrency=2)

    others = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m) if m not in failing}
    assert m == chosen(policy, p_m, others)
    assert set(query.predictions) <= set(others)
    assert set(query.failed) <= {"engine broken"}


@given(policies, lists, lists, st.integers(1, N))
def test_known_predictions_are_not_queried(policy, p_m, p_yes_m, max_concurrency):
    """
    The engine may be down if all predictions are known.
    """
    engine = Engine(p_yes_m, failing=dict.fromkeys(range(N), "down"))
    known = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m)}
    query, m = run_query(engine, policy, p_m, max_concurrency=max_concurrency, known=known)

    assert m == chosen(policy, p_m, known)
    assert engine.queries == []
    assert query.incomplete_reason is None


@pytest.mark.parametrize("kind", ["down", "full"])
def test_an_engine_that_is_down_or_full_is_called_once(kind):
    """
    The other models of the question are not queried.
    """
    engine = Engine([0.5] * N, failing=dict.fromkeys(range(N), kind))
    query, _ = run_query(engine, ExpectedValue(0.0), [0.5] * N)

    assert len(engine.queries) == 1
    assert query.incomplete_reason == f"engine {kind}"


def test_after_the_deadline_no_call_starts():
    """
    Earlier predictions count.
    """

    class Slow(Engine):
        async def query(self, m, timeout_s):
            await asyncio.sleep(0.02)
            return await super().query(m, timeout_s)

    engine = Slow([0.5] * N)
    began_at = time.monotonic()
    query, _ = run_query(engine, ExpectedValue(0.0), [0.5] * N, timeout_s=0.03)

    assert time.monotonic() - began_at < 1
    assert 1 <= len(engine.queries) < N
    assert len(query.predictions) == len(engine.queries)
    assert query.incomplete_reason == "engine late"


def test_questions_take_turns():
    """
    The first one does not use all concurrent calls.
    """
    engines = [Engine([0.5] * N, (50,) * N) for _ in range(3)]
    queries = [query_of(engine, ExpectedValue(0.0), [0.5] * N) for engine in engines]

    async def begin():
        task = asyncio.ensure_future(QueryScheduler(queries, max_concurrency=6, timeout_s=60).run())
        for _ in range(5):
            await asyncio.sleep(0)
        in_flight = [engine.in_flight for engine in engines]
        await task
        return in_flight

    assert asyncio.run(begin()) == [2, 2, 2]


@given(policies, lists, lists)
def test_one_call_answers_about_all_models(policy, p_m, p_yes_m):
    """
    There is none where no answer could change the decision, which is that of all answers.
    """
    engine = Engine(p_yes_m, answers_all=True)
    query, m = run_query(engine, policy, p_m, max_concurrency=N)

    all_answers = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m)}
    single = run_query(Engine(p_yes_m), policy, p_m)[0]
    assert m == chosen(policy, p_m, all_answers)
    assert query.n_queries == len(engine.queries) == min(1, single.n_queries)
    assert query.predictions == (all_answers if engine.queries else {})
    assert query.n_queries + query.selective_query.n_avoided == 1
    assert (query.cancelled, query.incomplete_reason, query.failed) == (0, None, [])


@pytest.mark.parametrize("kind", ["down", "full", "late", "broken"])
def test_a_call_about_all_models_that_fails_is_not_made_again(kind):
    """
    About none of them: the anchors decide.
    """
    engine = Engine([0.9] * N, failing=dict.fromkeys(range(N), kind), answers_all=True)
    query, m = run_query(engine, ExpectedValue(0.0), [0.5] * N, max_concurrency=N)

    assert m == chosen(ExpectedValue(0.0), [0.5] * N, {})
    assert (query.n_queries, query.failed) == (1, [f"engine {kind}"])
    assert (query.predictions, query.incomplete_reason) == ({}, None)


@given(policies, lists, lists)
def test_known_answers_about_all_models_need_no_call(policy, p_m, p_yes_m):
    """
    They take part where the call would have been made, so that a cache changes no decision.
    """
    engine = Engine(p_yes_m, failing=dict.fromkeys(range(N), "down"), answers_all=True)
    known = {m: ReasonerPrediction(p, 100.0) for m, p in enumerate(p_yes_m)}
    query, m = run_query(engine, policy, p_m, known=known)

    assert m == chosen(policy, p_m, known)
    assert engine.queries == []
    called = run_query(Engine(p_yes_m, answers_all=True), policy, p_m)[0]
    assert query.predictions == called.predictions


def test_answers_about_some_models_do_not_replace_the_call():
    """
    A line depends on the lines before it: all are of one reply.
    """
    engine = Engine([0.9] * N, answers_all=True)
    query, _ = run_query(
        engine, ExpectedValue(0.0), [0.5] * N, known={0: ReasonerPrediction(0.1, 100.0)}
    )

    assert len(engine.queries) == 1
    assert query.predictions[0].p_yes == 0.9


def test_calls_about_all_models_share_the_limit():
    """
    One for each question, two at a time.
    """
    engine = Engine([0.5] * N, (5,) * N, answers_all=True)
    queries = [query_of(engine, ExpectedValue(0.0), [0.5] * N) for _ in range(7)]

    asyncio.run(QueryScheduler(queries, max_concurrency=2, timeout_s=60).run())

    assert len(engine.queries) == 7
    assert engine.max_in_flight == 2


def test_at_the_deadline_a_call_about_all_models_is_not_started():
    """
    A question that had no turn says so.
    """

    class Slow(Engine):
        async def query(self, m, timeout_s):
            await asyncio.sleep(0.05)
            return await super().query(m, timeout_s)

    engine = Slow([0.5] * N, answers_all=True)
    queries = [query_of(engine, ExpectedValue(0.0), [0.5] * N) for _ in range(2)]

    asyncio.run(QueryScheduler(queries, max_concurrency=1, timeout_s=0.04).run())

    assert [query.incomplete_reason for query in queries] == [None, "engine late"]
    assert [len(query.predictions) for query in queries] == [N, 0]
