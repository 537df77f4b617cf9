"""Draw several samples of one answer in parallel, without waiting for the last of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from deployments.upstream.errors import NOT_ATTEMPTED
from scope.config import StrictModel
from scope.upstream import Seconds, UpstreamError

MIN_GRACE_S = 0.25
"""Least time that stragglers get; on a busy machine equal calls differ by as much."""

MAX_NUMBER = 2**53
"""Integers below it are exact as floats; a larger number in a usage is a mistake."""

Completion = Mapping[str, Any]
"""The body of a chat completion, as the upstream sent it."""


class SamplingSettings(StrictModel):
    """``user_config: sampling``: how long an arm with several samples waits."""

    grace_s: Seconds = 10.0
    """Once half of the samples are in, the others get as long again, and at most this."""
    selector_ms: int = Field(default=2_000, ge=1)
    """Time limit of the Selector, at most a quarter of what is left until the deadline."""


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """What became of the samples of one attempt.

    Attributes
    ----------
    drawn : int
        Samples that were asked for.
    failed : int
        Samples without an answer.
    cancelled : int
        Samples that were given up because others were in.
    unknown_usage : int
        Samples whose tokens are unknown and may be billed: cancelled, broken off, or without a
        usage.
    """

    drawn: int
    failed: int
    cancelled: int
    unknown_usage: int


@dataclass(frozen=True, slots=True)
class SampleReport:
    """How one of several samples was chosen.

    Attributes
    ----------
    counts : SampleCounts
    chosen : int
        Index of the chosen sample among the drawn ones.
    selector : str
        ``reward``, ``majority``, ``first`` where no two answers agree, or ``only``.
    scores : tuple of (float or None), or None
        Of the reward model, one for each drawn sample; None where there is none.
    selector_s : float
        Time that the choice took.
    degraded : str or None
        Why the reward model did not choose.
    """

    counts: SampleCounts
    chosen: int
    selector: str
    scores: tuple[float | None, ...] | None
    selector_s: float
    degraded: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields that a response and the decision log have."""
        counts = self.counts
        return {
            "n": counts.drawn,
            "n_failed": counts.failed,
            "n_cancelled": counts.cancelled,
            "n_unknown_usage": counts.unknown_usage,
            "chosen": self.chosen,
            "selector": self.selector,
            "scores": None if self.scores is None else list(self.scores),
        }


@dataclass(frozen=True, slots=True)
class DrawnSamples:
    """The samples of one attempt.

    Attributes
    ----------
    completions : dict of int to mapping
        Index of each sample that has an answer -> its completion.
    errors : tuple of UpstreamError
        Of the samples that failed.
    n_samples : int
        Samples that were asked for.
    """

    completions: dict[int, Completion]
    errors: tuple[UpstreamError, ...]
    n_samples: int

    @property
    def counts(self) -> SampleCounts:
        """What became of the samples."""
        failed = len(self.errors)
        cancelled = self.n_samples - len(self.completions) - failed
        broken = sum(e.status is None and e.kind not in NOT_ATTEMPTED for e in self.errors)
        silent = sum(usage_of(completion) is None for completion in self.completions.values())
        return SampleCounts(self.n_samples, failed, cancelled, cancelled + broken + silent)

    def usage(self) -> dict[str, Any] | None:
        """Return the sum of the known usages; None if none is known."""
        known = [usage_of(completion) for completion in self.completions.values()]
        return _sum_usages([usage for usage in known if usage is not None])


async def draw_samples(
    draw: Callable[[int], Awaitable[Completion]], n_samples: int, grace_s: float
) -> DrawnSamples:
    """Draw samples in parallel; once half of them are in, the others have little time left.

    They get as long as the first half took, between `MIN_GRACE_S` and `grace_s`; then they are
    cancelled. A failed sample is no answer.

    Parameters
    ----------
    draw : callable
        Index of a sample -> its completion; raises `UpstreamError`.
    n_samples : int
        At least 1.
    grace_s : float
    """
    clock = asyncio.get_running_loop().time
    began_at, ends_at = clock(), None
    tasks = [asyncio.ensure_future(draw(index)) for index in range(n_samples)]
    pending = set(tasks)
    try:
        while pending and (ends_at is None or clock() < ends_at):
            wait_s = None if ends_at is None else ends_at - clock()
            _, pending = await asyncio.wait(
                pending, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
            )
            n_answers = sum(task.done() and task.exception() is None for task in tasks)
            if ends_at is None and 2 * n_answers >= n_samples:
                ends_at = clock() + min(grace_s, max(MIN_GRACE_S, clock() - began_at))
    finally:
        for task in pending:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    return _collect(results)


def _collect(results: Sequence[Completion | BaseException]) -> DrawnSamples:
    """Return the samples by what became of them; an error that is no upstream's is raised."""
    errors = []
    for result in results:
        if isinstance(result, UpstreamError):
            errors.append(result)
        elif isinstance(result, Exception):
            raise result
    completions = {
        index: result
        for index, result in enumerate(results)
        if not isinstance(result, BaseException)
    }
    return DrawnSamples(completions, tuple(errors), len(results))


def usage_of(completion: Completion) -> dict[str, Any] | None:
    """Return the usage that a completion reports, if any."""
    usage = completion.get("usage")
    return usage if isinstance(usage, dict) else None


def _sum_usages(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the sum of every number of several usages, those in nested objects included."""
    if not usages:
        return None
    total: dict[str, Any] = {}
    for name in dict.fromkeys(name for usage in usages for name in usage):
        values = [usage[name] for usage in usages if usage.get(name) is not None]
        if values and all(isinstance(value, Mapping) for value in values):
            total[name] = _sum_usages(values)
        elif values and all(map(_is_number, values)):
            total[name] = sum(values)
        else:
            total[name] = values[0] if values else None
    return total


def _is_number(value: object) -> bool:
    """Return whether a value is a number that can be added to any other."""
    return isinstance(value, int | float) and abs(value) < MAX_NUMBER
