"""Query the engine about several questions, only for models that can change a decision."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from deployments.protocol import (
    ReasoningQuestion,
    ReasoningRequest,
    ReasoningResult,
    eligible_prediction_set,
)
from deployments.protocol.remote_call import RemoteCallError
from deployments.replicas.reasoner import EngineReasoner
from scope.bank import Bank
from scope.fusion import QueryRule, SelectiveQuery
from scope.pool import indices_of
from scope.reasoner import ReasonerPrediction

TERMINAL_KINDS = ("down", "full")
"""Failures of the engine that the next query would have, too."""

EngineQuery = Callable[[int, float], Awaitable[ReasonerPrediction]]
"""``(m, timeout_s) -> prediction`` for the m-th eligible model; raises `RemoteCallError`."""


@dataclass(slots=True, eq=False)
class QuestionQuery:
    """The reasoner queries of one question.

    Attributes
    ----------
    selective_query : SelectiveQuery
        Over the eligible models.
    cached : callable
        Maps m to the known prediction for the m-th of them, or None.
    query : EngineQuery
    predictions : dict of int to ReasonerPrediction
        Those that take part in the decision, by m.
    n_queries, cancelled : int
        Calls of the engine that were started; those of them that were cancelled as no longer
        needed.
    failed : list of str
        Reasons of the calls that failed.
    incomplete_reason : str or None
        Why a model that could change the decision was not queried.
    """

    selective_query: SelectiveQuery
    cached: Callable[[int], ReasonerPrediction | None]
    query: EngineQuery
    predictions: dict[int, ReasonerPrediction] = field(default_factory=dict)
    n_queries: int = 0
    cancelled: int = 0
    failed: list[str] = field(default_factory=list)
    incomplete_reason: str | None = None

    def next(self) -> int | None:
        """Return the next model to query the engine about, None if there is none for now."""
        while started := self.selective_query.start_next(1):
            (m,) = started
            prediction = self.cached(m)
            if prediction is None:
                self.n_queries += 1
                return m
            self.record(m, prediction)
        return None

    def use_cached(self) -> None:
        """Use known predictions after the last call of the engine."""
        while started := self.selective_query.start_next(1):
            (m,) = started
            prediction = self.cached(m)
            if prediction is None:
                self.selective_query.cancel(m)
                return
            self.record(m, prediction)

    def record(self, m: int, prediction: ReasonerPrediction) -> None:
        """Record a prediction, also one that is NaN."""
        self.predictions[m] = prediction
        self.selective_query.record(m, prediction)

    def record_failure(self, m: int, reason: str) -> None:
        """Record a failed call: the anchors' estimates of the model stay."""
        self.failed.append(reason)
        self.selective_query.record(m, None)

    def drop(self, m: int) -> None:
        """Record a call that was cancelled since it can no longer change the decision."""
        self.cancelled += 1
        self.selective_query.cancel(m)


class QueryScheduler:
    """Runs the queries of several questions, which share a limit of concurrent calls.

    Parameters
    ----------
    queries : sequence of QuestionQuery
    max_concurrency : int
        Maximum number of calls of the engine in flight.
    timeout_s : float
        No call starts later than this.
    """

    def __init__(
        self, queries: Sequence[QuestionQuery], *, max_concurrency: int, timeout_s: float
    ) -> None:
        self._queries, self._waiting = queries, deque(queries)
        self._max_concurrency, self._ends_at = max_concurrency, time.monotonic() + timeout_s
        self._running: dict[asyncio.Task[ReasonerPrediction], tuple[QuestionQuery, int]] = {}
        self._stop_reason: str | None = None

    async def run(self) -> None:
        """Query until no prediction can change a decision, time is up, or the engine is down."""
        try:
            self._start_calls()
            while self._running:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._record(task)
                self._cancel_unneeded()
                self._start_calls()
        finally:
            for task in self._running:
                task.cancel()
        for query in self._queries:
            query.use_cached()
            query.incomplete_reason = None if query.selective_query.done else self._stop_reason

    def _start_calls(self) -> None:
        """Start calls up to the limit, one model of each question in turn."""
        while (
            self._waiting
            and self._stop_reason is None
            and len(self._running) < self._max_concurrency
        ):
            left_s = self._ends_at - time.monotonic()
            if left_s <= 0:
                self._stop_reason = "engine late"
                return
            query = self._waiting.popleft()
            m = query.next()
            if m is not None:
                self._running[asyncio.ensure_future(query.query(m, left_s))] = (query, m)
                self._waiting.append(query)

    def _record(self, task: asyncio.Task[ReasonerPrediction]) -> None:
        query, m = self._running.pop(task)
        try:
            query.record(m, task.result())
        except RemoteCallError as error:
            query.record_failure(m, error.reason)
            if error.kind in TERMINAL_KINDS:
                self._stop_reason = error.reason
        if query not in self._waiting:
            self._waiting.append(query)  # the result may require further queries

    def _cancel_unneeded(self) -> None:
        """Cancel the calls that can no longer change a decision."""
        for task, (query, m) in list(self._running.items()):
            if m in query.selective_query.cancellable and not task.done():
                del self._running[task]
                task.cancel()
                query.drop(m)


async def answer_request(
    bank: Bank, reasoner: EngineReasoner, request: ReasoningRequest
) -> list[ReasoningResult]:
    """Query the reasoner; return one result per question, also if the engine fails.

    Parameters
    ----------
    bank : Bank
        Fitted for this reasoner.
    reasoner : EngineReasoner
    request : ReasoningRequest
    """
    # For hundreds of questions this is hundreds of milliseconds of numpy.
    queries = await asyncio.to_thread(
        lambda: [_build_query(bank, reasoner, question, request) for question in request.questions]
    )
    await QueryScheduler(
        queries, max_concurrency=request.max_concurrency, timeout_s=request.timeout_s
    ).run()
    return [
        _result(bank, query, question)
        for query, question in zip(queries, request.questions, strict=True)
    ]


def _build_query(
    bank: Bank, reasoner: EngineReasoner, question: ReasoningQuestion, request: ReasoningRequest
) -> QuestionQuery:
    assert bank.reasoner is not None  # checked when the application is built
    columns = _columns(bank, question)
    anchor_k = question.prediction.anchor_k
    tokens = reasoner.estimate_tokens(question.text, anchor_k, columns[0])
    prediction_set = eligible_prediction_set([question.prediction], bank, question.models)
    selective_query = SelectiveQuery(
        question.policy,
        bank.reasoner.blend.select_models(columns),
        prediction_set.predictions.estimates,
        question.models,
        QueryRule(request.mode, query_cost_usd=tokens * request.usd_per_mtok / 1e6),
    )

    def cached(m: int) -> ReasonerPrediction | None:
        known = _known_prediction(question, columns[m])
        return known or reasoner.cached(question.text, columns[m])

    async def query(m: int, timeout_s: float) -> ReasonerPrediction:
        return await reasoner.query(
            question.text,
            anchor_k,
            columns[m],
            timeout_s=timeout_s,
            slow_call_s=request.timeout_s / 2,
        )

    return QuestionQuery(selective_query, cached, query)


def _known_prediction(question: ReasoningQuestion, column: int) -> ReasonerPrediction | None:
    """Return the prediction that the Router sent with the question, if any."""
    answer_2m = question.prediction.reasoner_2m
    if answer_2m is None or math.isnan(answer_2m[0, column]):
        return None
    return ReasonerPrediction(*answer_2m[:, column].tolist())


def _result(bank: Bank, query: QuestionQuery, question: ReasoningQuestion) -> ReasoningResult:
    columns = _columns(bank, question)
    answer_2m = np.full((2, len(bank.models)), np.nan)
    for m, prediction in query.predictions.items():
        answer_2m[:, columns[m]] = prediction.p_yes, prediction.tokens
    return ReasoningResult(
        answer_2m,
        query.n_queries,
        query.selective_query.n_avoided,
        query.cancelled,
        len(query.failed),
        query.incomplete_reason or next(iter(query.failed), None),
    )


def _columns(bank: Bank, question: ReasoningQuestion) -> list[int]:
    """Return the indices of the eligible models in the bank."""
    return indices_of(tuple(model.id for model in question.models), bank.model_ids, "the bank")
