"""When a new bank has to go: limits on degraded decisions, errors and latency."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from deployments.operate.traffic import Traffic
from scope.config import StrictModel

MIN_REQUESTS = 20
"""Fewer say nothing about a share."""
MIN_BAD = 3
"""One failed request of a quiet minute is no trend."""
MIN_FOR_P95 = 100
"""Five observations are above the 95th percentile of so many."""
STAGE = "overhead"


class WatchLimits(StrictModel):
    """What may happen after a change, against what happened before it."""

    max_degraded: float = Field(default=0.05, ge=0, le=1)
    """Share of degraded decisions, on top of the share before."""
    max_p95_ratio: float = Field(default=1.5, ge=0, allow_inf_nan=False)
    """95th percentile of the routing overhead, over that before."""
    max_errors: float = Field(default=0.01, ge=0, le=1)
    """Share of 5xx, on top of the share before."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What happened before the change; None is unknown.

    Attributes
    ----------
    n_requests : float
    degraded_share, share_5xx : float or None
    p95_ms : float or None
        Of the routing overhead; None where too few decisions were measured.
    """

    n_requests: float = 0.0
    degraded_share: float | None = None
    share_5xx: float | None = None
    p95_ms: float | None = None

    @classmethod
    def of(cls, traffic: Traffic) -> "Baseline":
        """Keep what the limits are compared with."""
        n = traffic.n_requests or 0.0
        is_enough = (traffic.n_decisions or 0.0) >= MIN_REQUESTS
        return cls(
            n,
            traffic.degraded_share,
            traffic.share_5xx,
            traffic.p95_ms(STAGE) if is_enough else None,
        )

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Baseline":
        """Read what a journal holds."""
        return cls(**fields)

    def __str__(self) -> str:
        if not self.n_requests:
            return "no requests before the change: latencies will not be compared"
        parts = (
            f"degraded {_share(self.degraded_share)}",
            f"5xx {_share(self.share_5xx)}",
            f"p95 {'unknown' if self.p95_ms is None else f'{self.p95_ms:,.0f} ms'}",
        )
        return f"before: {self.n_requests:,.0f} requests, {', '.join(parts)}"


def broken_limit(limits: WatchLimits, before: Baseline, now: Traffic) -> str | None:
    """Return which limit is broken, as a sentence; None if none is.

    Parameters
    ----------
    limits : WatchLimits
    before : Baseline
    now : Traffic
        Since the change.

    Notes
    -----
    A share is judged from `MIN_REQUESTS` on, if at least `MIN_BAD` were bad; the percentile from
    `MIN_FOR_P95` on.
    """
    return (
        _broken_share(
            "of the decisions are degraded",
            now.n_degraded,
            now.n_decisions,
            limits.max_degraded + (before.degraded_share or 0.0),
        )
        or _broken_share(
            "of the requests failed with a 5xx",
            now.n_5xx,
            now.n_requests,
            limits.max_errors + (before.share_5xx or 0.0),
        )
        or _broken_p95(limits, before, now)
    )


def describe_watch(now: Traffic, before: Baseline) -> str:
    """Return what was seen, as a sentence."""
    p95_ms = now.p95_ms(STAGE)
    ratio = p95_ms / before.p95_ms if p95_ms is not None and before.p95_ms else None
    return (
        f"{now.n_requests or 0:,.0f} requests in {now.seconds:.0f} s, "
        f"degraded {_share(now.degraded_share)}, 5xx {_share(now.share_5xx)}, "
        f"p95 {'unknown' if p95_ms is None else f'{p95_ms:,.0f} ms'}"
        f"{'' if ratio is None else f' ({ratio:.2f} x before)'}"
    )


def _broken_share(what: str, bad: float | None, whole: float | None, limit: float) -> str | None:
    if bad is None or whole is None or whole < MIN_REQUESTS or bad < MIN_BAD:
        return None
    if bad / whole <= limit:
        return None
    return f"{_share(bad / whole)} {what}, {bad:,.0f} of {whole:,.0f}; the limit is {_share(limit)}"


def _broken_p95(limits: WatchLimits, before: Baseline, now: Traffic) -> str | None:
    p95_ms = now.p95_ms(STAGE)
    is_enough = (now.n_decisions or 0.0) >= MIN_FOR_P95
    if before.p95_ms is None or p95_ms is None or not is_enough:
        return None
    if p95_ms <= limits.max_p95_ratio * before.p95_ms:
        return None
    return (
        f"the p95 of the routing overhead is {p95_ms:,.0f} ms, "
        f"{p95_ms / before.p95_ms:.2f} times the {before.p95_ms:,.0f} ms before; "
        f"the limit is {limits.max_p95_ratio:g} times"
    )


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"
