"""What the endpoint did in an interval: rates, errors, latencies, degraded decisions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.operate.metric_samples import MetricInterval, MetricSamples

STAGES = ("overhead", "embed", "embed_second", "predict", "reason", "select", "upstream")
PROBES = frozenset({"health", "ready"})
"""Endpoints that are asked by machines; a 503 of ``/ready`` is no failed request."""
N_REASONS = 3
OPEN = 2
"""State of a circuit breaker in ``scope_breaker_state``."""


@dataclass(frozen=True, slots=True)
class StageLatency:
    """Latency of one stage; None where nothing was measured."""

    stage: str
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests and decisions of an interval; None is unknown.

    Attributes
    ----------
    seconds : float
    n_requests, n_4xx, n_5xx : float or None
        Without those of ``/health`` and ``/ready``.
    latencies : tuple of StageLatency
        Those with observations.
    n_decisions, n_degraded : float or None
    degraded_reasons : mapping
        Reason -> share of the decisions, the most frequent ones.
    out_of_distribution : float or None
        Share of the prompts.
    """

    seconds: float
    n_requests: float | None
    n_4xx: float | None
    n_5xx: float | None
    latencies: tuple[StageLatency, ...]
    n_decisions: float | None
    n_degraded: float | None
    degraded_reasons: Mapping[str, float]
    out_of_distribution: float | None

    @classmethod
    def between(cls, interval: MetricInterval) -> "Traffic":
        """Read it from the metrics before and after."""
        reasons = interval.by_label("scope_decisions_total", "degraded")
        n_decisions = interval.increase("scope_decisions_total")
        degraded = {reason: n for reason, n in reasons.items() if reason != "none"}
        top = sorted(degraded, key=lambda reason: (-degraded[reason], reason))[:N_REASONS]
        return cls(
            interval.seconds,
            _requests(interval),
            _requests(interval, "4"),
            _requests(interval, "5"),
            tuple(latency for stage in STAGES if (latency := _latency(interval, stage))),
            n_decisions,
            None if n_decisions is None else math.fsum(degraded.values()),
            {reason: degraded[reason] / (n_decisions or 1) for reason in top},
            _out_of_distribution(interval),
        )

    @property
    def requests_per_s(self) -> float | None:
        """Rate of requests."""
        return None if self.n_requests is None else self.n_requests / self.seconds

    @property
    def share_4xx(self) -> float | None:
        """Share of the requests that the client got wrong."""
        return _share(self.n_4xx, self.n_requests)

    @property
    def share_5xx(self) -> float | None:
        """Share of the requests that failed."""
        return _share(self.n_5xx, self.n_requests)

    @property
    def degraded_share(self) -> float | None:
        """Share of the decisions that rest on less than usual."""
        return _share(self.n_degraded, self.n_decisions)

    def p95_ms(self, stage: str) -> float | None:
        """Return the 95th percentile of a stage; None where nothing was measured."""
        return next((row.p95_ms for row in self.latencies if row.stage == stage), None)


def open_breakers(samples: MetricSamples) -> dict[str, int]:
    """Return the number of replicas at which the breaker of an upstream is open, by upstream."""
    counts: dict[str, int] = {}
    for labels, value in samples.series("scope_breaker_state"):
        if value == OPEN:
            counts[labels["model"]] = counts.get(labels["model"], 0) + 1
    return counts


def _requests(interval: MetricInterval, status: str = "") -> float | None:
    def kept(labels: Mapping[str, str]) -> bool:
        is_probe = labels.get("endpoint") in PROBES
        return not is_probe and labels.get("status", "").startswith(status)

    return interval.increase("scope_requests_total", kept)


def _latency(interval: MetricInterval, stage: str) -> StageLatency | None:
    p50_ms, p95_ms = interval.quantiles(f"scope_{stage}_latency_ms", (0.5, 0.95))
    return None if p50_ms is None else StageLatency(stage, p50_ms, p95_ms)


def _out_of_distribution(interval: MetricInterval) -> float | None:
    prompts = interval.by_label("scope_prompts_total", "distribution")
    known = prompts.get("in", 0.0) + prompts.get("out", 0.0)
    return prompts.get("out", 0.0) / known if known else None


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if whole and part is not None else None
