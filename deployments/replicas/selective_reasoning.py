"""Ask the engine about several questions at once: only what matters, and no longer than it does."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

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
"""How an engine fails that will fail the next question just the same."""

EngineQuery = Callable[[int, float], Awaitable[ReasonerPrediction]]
"""``(m, timeout_s) -> answer`` for the m-th permitted model; raises `RemoteCallError`."""


@dataclass(slots=True, eq=False)
class QuestionQuery:
    """One question on its way to a decision.

    Attributes
    ----------
    cascade : SelectiveQuery
        Of the permitted models.
    known : callable
        What was answered before of the m-th of them, or None.
    ask : EngineQuery
    answers : dict of int to ReasonerPrediction
        What takes part in the decision, by model.
    asked, cancelled : int
        Calls of the engine that were begun; those of them that became needless.
    failed : list of str
        Why others of them brought no answer.
    left : str or None
        Why somebody was not asked about who could have mattered.
    """

    cascade: SelectiveQuery
    cached: Callable[[int], ReasonerPrediction | None]
    query: EngineQuery
    answers: dict[int, ReasonerPrediction] = field(default_factory=dict)
    n_queries: int = 0
    cancelled: int = 0
    failed: list[str] = field(default_factory=list)
    incomplete_reason: str | None = None

    def next(self) -> int | None:
        """Return the model to ask the engine about now; None if nobody must be asked."""
        while wanted := self.cascade.start_next(1):
            (m,) = wanted
            answer = self.cached(m)
            if answer is None:
                self.n_queries += 1
                return m
            self.record(m, answer)
        return None

    def use_cached(self) -> None:
        """Take what was answered before, now that nobody can be asked any more."""
        while wanted := self.cascade.start_next(1):
            (m,) = wanted
            answer = self.cached(m)
            if answer is None:
                self.cascade.cancel(m)
                return
            self.record(m, answer)

    def record(self, m: int, answer: ReasonerPrediction) -> None:
        """Take an answer, one that says nothing included."""
        self.answers[m] = answer
        self.cascade.record(m, answer)

    def record_failure(self, m: int, reason: str) -> None:
        """Go on without an answer: what the anchors say stands."""
        self.failed.append(reason)
        self.cascade.record(m, None)

    def drop(self, m: int) -> None:
        """Stop waiting for an answer that can change nothing any more."""
        self.cancelled += 1
        self.cascade.cancel(m)


class QueryScheduler:
    """The questions of one request; they share what may be under way at once.

    Parameters
    ----------
    inquiries : sequence of QuestionQuery
    at_once : int
        Most calls under way.
    timeout_s : float
        After this nobody is asked any more.
    """

    def __init__(
        self, inquiries: Sequence[QuestionQuery], *, at_once: int, timeout_s: float
    ) -> None:
        self._all, self._waiting = inquiries, deque(inquiries)
        self._at_once, self._ends_at = at_once, time.monotonic() + timeout_s
        self._running: dict[asyncio.Task[ReasonerPrediction], tuple[QuestionQuery, int]] = {}
        self._over: str | None = None

    async def run(self) -> None:
        """Ask until no answer can change a decision, the time is over, or the engine is gone."""
        try:
            self._start()
            while self._running:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._end(task)
                self._drop()
                self._start()
        finally:
            for task in self._running:
                task.cancel()
        for inquiry in self._all:
            inquiry.use_cached()
            inquiry.incomplete_reason = None if inquiry.cascade.done else self._over

    def _start(self) -> None:
        """Fill what may be under way, by a model of each question in turn."""
        while self._waiting and self._over is None and len(self._running) < self._at_once:
            left_s = self._ends_at - time.monotonic()
            if left_s <= 0:
                self._over = "engine late"
                return
            inquiry = self._waiting.popleft()
            m = inquiry.next()
            if m is not None:
                self._running[asyncio.ensure_future(inquiry.query(m, left_s))] = (inquiry, m)
                self._waiting.append(inquiry)

    def _end(self, task: asyncio.Task[ReasonerPrediction]) -> None:
        inquiry, m = self._running.pop(task)
        try:
            inquiry.record(m, task.result())
        except RemoteCallError as error:
            inquiry.record_failure(m, error.reason)
            if error.kind in TERMINAL_KINDS:
                self._over = error.reason
        if inquiry not in self._waiting:
            self._waiting.append(inquiry)  # what it has learned may let it ask again

    def _drop(self) -> None:
        """Cancel what has become needless."""
        for task, (inquiry, m) in list(self._running.items()):
            if m in inquiry.cascade.cancellable and not task.done():
                del self._running[task]
                task.cancel()
                inquiry.drop(m)


async def answer_request(
    bank: Bank, reasoner: EngineReasoner, wanted: ReasoningRequest
) -> list[ReasoningResult]:
    """Return what asking comes to for each question; never fails for the engine's sake.

    Parameters
    ----------
    bank : Bank
        Calibrated for this reasoner.
    reasoner : EngineReasoner
    wanted : ReasoningRequest
    """
    # Of hundreds of questions this is hundreds of milliseconds of numpy.
    inquiries = await asyncio.to_thread(
        lambda: [_build_query(bank, reasoner, case, wanted) for case in wanted.questions]
    )
    await QueryScheduler(
        inquiries, at_once=wanted.max_concurrency, timeout_s=wanted.timeout_s
    ).run()
    return [
        _result(bank, inquiry, case)
        for inquiry, case in zip(inquiries, wanted.questions, strict=True)
    ]


def _build_query(
    bank: Bank, reasoner: EngineReasoner, case: ReasoningQuestion, wanted: ReasoningRequest
) -> QuestionQuery:
    assert bank.reasoner is not None  # checked before it started
    columns = _columns(bank, case)
    anchor_k = case.prediction.anchor_k
    tokens = reasoner.estimate_tokens(case.text, anchor_k, columns[0])
    cascade = SelectiveQuery(
        case.policy,
        bank.reasoner.blend.select_models(columns),
        eligible_prediction_set([case.prediction], bank, case.models).predictions.estimates,
        case.models,
        QueryRule(wanted.mode, query_cost_usd=tokens * wanted.usd_per_mtok / 1e6),
    )

    def known(m: int) -> ReasonerPrediction | None:
        return _known_answer(case, columns[m]) or reasoner.cached(case.text, columns[m])

    async def ask(m: int, timeout_s: float) -> ReasonerPrediction:
        slow_call_s = wanted.timeout_s / 2
        about = partial(reasoner.query, case.text, anchor_k, columns[m])
        return await about(timeout_s=timeout_s, slow_call_s=slow_call_s)

    return QuestionQuery(cascade, known, ask)


def _known_answer(case: ReasoningQuestion, column: int) -> ReasonerPrediction | None:
    """Return what the Router knows already."""
    answer_2m = case.prediction.reasoner_2m
    if answer_2m is None or math.isnan(answer_2m[0, column]):
        return None
    return ReasonerPrediction(*answer_2m[:, column].tolist())


def _result(bank: Bank, inquiry: QuestionQuery, case: ReasoningQuestion) -> ReasoningResult:
    columns = _columns(bank, case)
    answer_2m = np.full((2, len(bank.models)), np.nan)
    for m, answer in inquiry.answers.items():
        answer_2m[:, columns[m]] = answer.p_yes, answer.tokens
    return ReasoningResult(
        answer_2m,
        inquiry.n_queries,
        inquiry.cascade.n_avoided,
        inquiry.cancelled,
        len(inquiry.failed),
        inquiry.incomplete_reason or next(iter(inquiry.failed), None),
    )


def _columns(bank: Bank, case: ReasoningQuestion) -> list[int]:
    return indices_of(tuple(model.id for model in case.models), bank.model_ids, "the bank")
