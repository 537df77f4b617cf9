"""What a measurement will cost, what it has cost, and a cap it does not pass."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.measure.call_plan import GUESSED_TOKENS, Call
from pipelines.measure.journal import CallResult


@dataclass(frozen=True, slots=True)
class Quote:
    """The bill before the first call."""

    n_calls: int
    expected_usd: float
    at_most_usd: float
    """If every answer is as long as allowed; retries that are billed come on top."""
    n_guessed: int
    """Calls of which nothing is known but the prompt."""
    planned: bool = False
    """Whether the plan said what to expect."""
    guessed_tokens: int = 0
    """What their answers are taken for."""

    @classmethod
    def from_calls(cls, calls: Sequence[Call]) -> "Quote":
        """Add up what the calls cost."""
        return cls(
            len(calls),
            sum(call.expected_usd for call in calls),
            sum(call.at_most_usd for call in calls),
            sum(
                call.question.expected_tokens is None and call.question.planned_usd is None
                for call in calls
            ),
            any(call.question.planned_usd is not None for call in calls),
            max((min(call.max_tokens, GUESSED_TOKENS) for call in calls), default=0),
        )

    def basis(self) -> str:
        """Say where the expectation comes from."""
        if self.planned:
            return "as planned"
        if not self.n_guessed:
            return "answers as long as those the bank has seen"
        whose = "answers" if self.n_guessed == self.n_calls else f"{self.n_guessed:,} answers"
        return f"{whose} of {self.guessed_tokens} tokens, a guess"


class SpendCap:
    """Money for calls, shared by all that make them.

    A call starts only if what is spent, what may have been billed, and the most that all calls
    under way can cost, its own included, fit the cap. Attempts that a call under way has to
    repeat are not foreseen: by these alone the cap can be passed.

    Parameters
    ----------
    cap_usd : float
        ``inf`` for none.
    usd, possibly_billed_usd : float
        Spent by earlier runs: known to be billed, and perhaps billed.
    """

    def __init__(self, cap_usd: float, usd: float, possibly_billed_usd: float) -> None:
        self.usd, self.possibly_billed_usd = usd, possibly_billed_usd
        self._cap_usd = cap_usd
        self._reserved_usd = 0.0
        self._under_way = 0
        self._changed = asyncio.Condition()

    async def reserve(self, usd: float) -> bool:
        """Wait until `usd` can be set aside; False once it cannot any more."""
        if math.isinf(self._cap_usd):
            return True
        async with self._changed:
            while not self._fits(usd):
                if not self._under_way:
                    return False
                await self._changed.wait()
            self._reserved_usd += usd
            self._under_way += 1
            return True

    async def settle(self, reserved_usd: float, row: CallResult) -> None:
        """Replace what was set aside by what was billed."""
        self.usd += row.usd
        self.possibly_billed_usd += row.possibly_billed_usd
        if math.isinf(self._cap_usd):
            return
        async with self._changed:
            self._reserved_usd -= reserved_usd
            self._under_way -= 1
            self._changed.notify_all()

    def _fits(self, usd: float) -> bool:
        return self.usd + self.possibly_billed_usd + self._reserved_usd + usd <= self._cap_usd


@dataclass(slots=True)
class MeasureProgress:
    """How far a measurement is."""

    total: int
    purse: SpendCap
    done: int = 0
    ungradable: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """Calls that failed, by kind."""

    def add(self, row: CallResult) -> None:
        """Count one result."""
        self.done += 1
        if row.error is not None:
            self.errors[row.error] = self.errors.get(row.error, 0) + 1
        elif row.correct is None:
            self.ungradable += 1
