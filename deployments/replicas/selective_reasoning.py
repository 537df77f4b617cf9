"""Query the engine about several questions, only for models that can change a decision."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deployments.protocol import (
    ReasoningQuestion,
    ReasoningRequest,
    ReasoningResult,
    eligible_prediction_set,
)
from deployments.protocol.remote_call import RemoteCallError
from deployments.replicas.reasoner import Answers, EngineReasoner
from scope.bank import Bank
from scope.fusion import QueryRule, SelectiveQuery
from scope.pool import indices_of
from scope.reasoner import ReasonerPrediction

TERMINAL_KINDS = ("down", "full")
"""Failures of the engine that the next query would have, too."""

EngineQuery = Callable[[int, float], Awaitable[Answers]]
"""``(column, timeout_s) -> answers`` of a call about a model; raises `RemoteCallError`."""


@dataclass(slots=True, eq=False)
class QuestionQuery:
    """The reasoner queries of one question.

    Models are given by their columns in the bank.

    Attributes
    ----------
    selective_query : SelectiveQuery
        Over the eligible models.
    columns : sequence of int
        The eligible models, in the order of `selective_query`.
    cached : callable
        Maps a model to the known answers of a call about it, or None.
    query : EngineQuery
    answered_with : callable
        Maps a model to all that a call about it is about.
    predictions : dict of int to ReasonerPrediction
        Those that take part in the decision.
    n_queries, cancelled : int
        Calls of the engine that were started; those of them that were cancelled as no longer
        needed.
    failed : list of str
        Reasons of the calls that failed.
    incomplete_reason : str or None
        Why a model that could change the decision was not queried.
    """

    selective_query: SelectiveQuery
    columns: Sequence[int]
    cached: Callable[[int], Answers | None]
    query: EngineQuery
    answered_with: Callable[[int], Sequence[int]]
    predictions: dict[int, ReasonerPrediction] = field(default_factory=dict)
    n_queries: int = 0
    cancelled: int = 0
    failed: list[str] = field(default_factory=list)
    incomplete_reason: str | None = None

    def next(self) -> int | None:
        """Return the next model to query the engine about, None if there is none for now."""
        while started := self.selective_query.start_next(1):
            column = self.columns[started[0]]
            answers = self.cached(column)
            if answers is None:
                self.n_queries += 1
                return column
            self.record(answers)
        return None

    def use_cached(self) -> None:
        """Use known predictions after the last call of the engine."""
        while started := self.selective_query.start_next(1):
            answers = self.cached(self.columns[started[0]])
            if answers is None:
                self.selective_query.cancel(started[0])
                return
            self.record(answers)

    def record(self, answers: Answers) -> None:
        """Record answers, also those that are NaN."""
        self.predictions |= answers
        self._record(answers)

    def record_failure(self, column: int, reason: str) -> None:
        """Record a failed call: the anchors' estimates of its models stay."""
        self.failed.append(reason)
        self._record(dict.fromkeys(self.answered_with(column)))

    def is_unneeded(self, column: int) -> bool:
        """Return whether a running call about a model can no longer change the decision."""
        return self.columns.index(column) in self.selective_query.cancellable

    def drop(self, column: int) -> None:
        """Record a call that was cancelled since it can no longer change the decision."""
        self.cancelled += 1
        self.selective_query.cancel(self.columns.index(column))

    def _record(self, answers: Mapping[int, ReasonerPrediction | None]) -> None:
        self.selective_query.record(
            {m: answers[column] for m, column in enumerate(self.columns) if column in answers}
        )


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
        self._running: dict[asyncio.Task[Answers], tuple[QuestionQuery, int]] = {}
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
            column = query.next()
            if column is not None:
                self._running[asyncio.ensure_future(query.query(column, left_s))] = (query, column)
                self._waiting.append(query)

    def _record(self, task: asyncio.Task[Answers]) -> None:
        query, column = self._running.pop(task)
        try:
            query.record(task.result())
        except RemoteCallError as error:
            query.record_failure(column, error.reason)
            if error.kind in TERMINAL_KINDS:
                self._stop_reason = error.reason
        if query not in self._waiting:
            self._waiting.append(query)  # the result may require further queries

    def _cancel_unneeded(self) -> None:
        """Cancel the calls that can no longer change a decision."""
        for task, (query, column) in list(self._running.items()):
            if query.is_unneeded(column) and not task.done():
                del self._running[task]
                task.cancel()
                query.drop(column)


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
    eligible = tuple(model.id for model in question.models)
    columns = indices_of(eligible, bank.model_ids, "the bank")
    anchor_k = question.prediction.anchor_k
    tokens = reasoner.estimate_tokens(question.text, anchor_k, columns[0])
    prediction_set = eligible_prediction_set([question.prediction], bank, question.models)
    selective_query = SelectiveQuery(
        question.policy,
        bank.reasoner.blend.select_models(columns),
        prediction_set.predictions.estimates,
        question.models,
        QueryRule(request.mode, query_cost_usd=tokens * request.usd_per_mtok / 1e6),
        one_query=reasoner.asks_about_all,
    )

    def cached(column: int) -> Answers | None:
        known = _known_answers(question, reasoner.answered_with(column))
        return known or reasoner.cached(question.text, column)

    async def query(column: int, timeout_s: float) -> Answers:
        return await reasoner.query(
            question.text,
            anchor_k,
            column,
            timeout_s=timeout_s,
            slow_call_s=request.timeout_s / 2,
        )

    return QuestionQuery(selective_query, columns, cached, query, reasoner.answered_with)


def _known_answers(question: ReasoningQuestion, columns: Sequence[int]) -> Answers | None:
    """Return the answers about some models that the Router sent with the question, if any."""
    answer_2m = question.prediction.reasoner_2m
    if answer_2m is None or np.isnan(answer_2m[0, columns]).any():
        return None
    return {m: ReasonerPrediction(*answer_2m[:, m].tolist()) for m in columns}


def _result(bank: Bank, query: QuestionQuery, question: ReasoningQuestion) -> ReasoningResult:
    answer_2m = np.full((2, len(bank.models)), np.nan)
    for column, prediction in query.predictions.items():
        answer_2m[:, column] = prediction.p_yes, prediction.tokens
    return ReasoningResult(
        answer_2m,
        query.n_queries,
        query.selective_query.n_avoided,
        query.cancelled,
        len(query.failed),
        query.incomplete_reason or next(iter(query.failed), None),
    )
