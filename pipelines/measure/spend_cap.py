"""The expected cost of a measurement, its cost so far, and the cap on it."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from pipelines.measure.call_plan import GUESSED_TOKENS, Call
from pipelines.measure.first_calls import FirstCalls
from pipelines.measure.journal import CallResult, EarlierResults


@dataclass(frozen=True, slots=True)
class Quote:
    """The cost of a measurement before the first call."""

    n_calls: int
    expected_usd: float
    max_usd: float
    """If every answer has the maximum length; billed retries are not included."""
    n_guessed: int
    """Calls for which only the prompt is known."""
    planned: bool = False
    """Whether the expected cost is that of a plan."""
    guessed_tokens: int = 0
    """Length assumed for the answers of these calls."""

    @classmethod
    def from_calls(cls, calls: Sequence[Call]) -> "Quote":
        """Add up the costs of the calls."""
        return cls(
            len(calls),
            sum(call.expected_usd for call in calls),
            sum(call.max_usd for call in calls),
            sum(
                call.question.expected_tokens is None and call.question.planned_usd is None
                for call in calls
            ),
            any(call.question.planned_usd is not None for call in calls),
            max((min(call.max_tokens, GUESSED_TOKENS) for call in calls), default=0),
        )

    def basis(self) -> str:
        """Return what the expected cost is based on."""
        if self.planned:
            return "as planned"
        if not self.n_guessed:
            return "answers as long as those in the bank"
        answers = "answers" if self.n_guessed == self.n_calls else f"{self.n_guessed:,} answers"
        return f"{answers} of {self.guessed_tokens} tokens, a guess"


def within_budget(calls: Sequence[Call], budget_usd: float) -> list[Call]:
    """Return the calls on as many of the first questions as the expected bill allows.

    Parameters
    ----------
    calls : sequence of Call
        All calls on one question, then the next question.
    budget_usd : float
        Every model is asked the same questions: all calls on a question fit, or none is made.
    """
    usd, affordable = 0.0, list[Call]()
    for _, of_question in groupby(calls, key=lambda call: call.question.id):
        group = list(of_question)
        usd += sum(call.expected_usd for call in group)
        if usd > budget_usd:
            break
        affordable += group
    return affordable


class SpendCap:
    """A cap on the cost of all workers together.

    A call starts only if the known cost, the possible cost, and the maximum cost of all calls in
    flight, its own included, fit the cap. Retries of the calls in flight are not included: only
    they can exceed the cap.

    Parameters
    ----------
    cap_usd : float
        ``inf`` for none.
    usd, possibly_billed_usd : float
        Known and possible further cost of earlier runs.
    """

    def __init__(self, cap_usd: float, usd: float, possibly_billed_usd: float) -> None:
        self.usd, self.possibly_billed_usd = usd, possibly_billed_usd
        self._cap_usd = cap_usd
        self._reserved_usd = 0.0
        self._in_flight = 0
        self._changed = asyncio.Condition()

    @classmethod
    def after(cls, earlier: EarlierResults, cap_usd: float | None) -> "SpendCap":
        """Return a cap that counts the cost of earlier runs; None caps nothing."""
        cap_usd = math.inf if cap_usd is None else cap_usd
        return cls(cap_usd, earlier.usd, earlier.possibly_billed_usd)

    async def reserve(self, usd: float) -> bool:
        """Wait until `usd` can be reserved; return False if it never can."""
        if math.isinf(self._cap_usd):
            return True
        async with self._changed:
            while not self._fits(usd):
                if not self._in_flight:
                    return False
                await self._changed.wait()
            self._reserved_usd += usd
            self._in_flight += 1
            return True

    async def settle(self, reserved_usd: float, row: CallResult) -> None:
        """Replace a reservation by the cost of the call."""
        self.usd += row.usd
        self.possibly_billed_usd += row.possibly_billed_usd
        if math.isinf(self._cap_usd):
            return
        async with self._changed:
            self._reserved_usd -= reserved_usd
            self._in_flight -= 1
            self._changed.notify_all()

    def _fits(self, usd: float) -> bool:
        return self.usd + self.possibly_billed_usd + self._reserved_usd + usd <= self._cap_usd


@dataclass(slots=True)
class MeasureProgress:
    """Counts of a running measurement."""

    total: int
    spend_cap: SpendCap
    done: int = 0
    ungradable: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """Number of failed calls by kind."""
    first_calls: FirstCalls = field(default_factory=FirstCalls)

    @classmethod
    def after(
        cls, earlier: EarlierResults, n_calls: int, budget_usd: float | None
    ) -> "MeasureProgress":
        """Return the counts before the first of `n_calls`, which continue earlier runs."""
        answered = any(row.error is None for row in earlier.rows.values())
        cap = SpendCap.after(earlier, budget_usd)
        return cls(n_calls, cap, first_calls=FirstCalls(watching=not answered))

    def add(self, row: CallResult) -> None:
        """Count one result."""
        self.done += 1
        if row.error is not None:
            self.errors[row.error] = self.errors.get(row.error, 0) + 1
        elif row.correct is None:
            self.ungradable += 1
