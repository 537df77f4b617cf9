"""Prometheus metrics of the Router; every label has few values."""

import time
from collections import Counter as Multiset
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from ray.serve.metrics import Counter, Gauge, Histogram

from deployments.protocol import Decision, ReasoningResult
from deployments.upstream import Attempt, Upstream

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "scope_requests_total": ("Requests by endpoint and HTTP status.", ("endpoint", "status")),
    "scope_decisions_total": (
        "Decisions by model, policy, source and degraded reason.",
        ("model", "policy", "source", "degraded"),
    ),
    "scope_predicted_cost_usd_total": ("Predicted cost of the chosen models, USD.", ("model",)),
    "scope_real_cost_usd_total": (
        "Cost of answers by the tokens that upstreams report, USD.",
        ("model",),
    ),
    "scope_upstream_attempts_total": (
        "Calls of upstreams by model and outcome.",
        ("model", "outcome"),
    ),
    "scope_samples_total": (
        "Samples of arms with several, by arm: drawn, and of these failed or cancelled.",
        ("model", "result"),
    ),
    "scope_cache_lookups_total": ("Prompts looked up in the prediction cache.", ("result",)),
    "scope_reasoner_queries_total": (
        "Queries of the reasoner: started, avoided, cancelled or failed.",
        ("result",),
    ),
}
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "scope_breaker_state": (
        "Circuit breaker of an upstream: 0 closed, 1 half-open, 2 open.",
        ("model",),
    ),
    "scope_decisions_unlogged": (
        "Decisions that could not be written to the log since the settings changed.",
        (),
    ),
    "scope_settings_rejected": (
        "1 while the latest user_config is rejected and the one before is active.",
        (),
    ),
}
STAGES: Mapping[str, str] = {
    "overhead": "routing a request, from its arrival to the decision",
    "embed": "a call of the Embedder",
    "predict": "a call of the Predictor",
    "select": "the choice among several samples",
    "reason": "the reasoner queries of a request",
    "upstream": "an answer, or the first byte of a stream, retries included",
}
"""Each stage has a histogram ``scope_STAGE_latency_ms``."""

BOUNDARIES_MS = [1.0, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4]
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}


class Metrics:
    """The metrics of one replica; Ray's agent exports them with the prefix ``ray_``."""

    def __init__(self) -> None:
        # Ray annotates `tag_keys` as a tuple of one.
        self._counters = {
            name: Counter(name, description=description, tag_keys=labels)  # type: ignore[arg-type]
            for name, (description, labels) in COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(name, description=description, tag_keys=labels)  # type: ignore[arg-type]
            for name, (description, labels) in GAUGES.items()
        }
        self._latency_ms = {
            stage: Histogram(
                f"scope_{stage}_latency_ms",
                description=f"Time of {work}, ms.",
                boundaries=BOUNDARIES_MS,
            )
            for stage, work in STAGES.items()
        }

    def count_response(self, endpoint: str, status: int) -> None:
        """Count a response."""
        self._count("scope_requests_total", endpoint=endpoint, status=str(status))

    def count_decisions(self, decisions: Iterable[Decision], overhead_s: float) -> None:
        """Count the decisions of one request."""
        _, labels = COUNTERS["scope_decisions_total"]
        n_decisions = Multiset(
            (
                decision.model or "none",
                decision.policy_name or "none",
                decision.source,
                decision.degraded or "none",
            )
            for decision in decisions
        )
        for values, n in n_decisions.items():
            self._count("scope_decisions_total", n, **dict(zip(labels, values, strict=True)))
        self.observe("overhead", overhead_s)

    def count_cost(
        self, model: str | None, predicted_usd: float | None, real_usd: float | None
    ) -> None:
        """Count the predicted and the real cost of an answer."""
        if model:
            self._count("scope_predicted_cost_usd_total", predicted_usd, model=model)
            self._count("scope_real_cost_usd_total", real_usd, model=model)

    def count_attempts(self, attempts: Iterable[Attempt], upstreams: Iterable[Upstream]) -> None:
        """Count the calls of one request, and update the breaker states."""
        for attempt in attempts:
            self._count(
                "scope_upstream_attempts_total", model=attempt.model, outcome=attempt.outcome
            )
            self._count_samples(attempt)
        for upstream in upstreams:
            state = BREAKER_STATES[upstream.breaker.state]
            self._gauges["scope_breaker_state"].set(state, {"model": upstream.name})

    def _count_samples(self, attempt: Attempt) -> None:
        if attempt.samples is not None:
            counts = attempt.samples
            by_result = {
                "drawn": counts.drawn,
                "failed": counts.failed,
                "cancelled": counts.cancelled,
            }
            for label, n in by_result.items():
                self._count("scope_samples_total", n, model=attempt.model, result=label)

    def count_cache(self, hits: int, lookups: int) -> None:
        """Count lookups of the prediction cache."""
        self._count("scope_cache_lookups_total", hits, result="hit")
        self._count("scope_cache_lookups_total", lookups - hits, result="miss")

    def count_reasoning(self, result: ReasoningResult) -> None:
        """Count the reasoner queries of one question."""
        by_result = {
            "started": result.n_queries,
            "avoided": result.n_avoided,
            "cancelled": result.cancelled,
            "failed": result.failed,
        }
        for label, n in by_result.items():
            self._count("scope_reasoner_queries_total", n, result=label)

    def observe(self, stage: str, seconds: float) -> None:
        """Record the duration of a stage."""
        self._latency_ms[stage].observe(1e3 * max(seconds, 1e-6))  # a histogram refuses 0

    @contextmanager
    def timer(self, stage: str) -> Iterator[None]:
        """Record the duration of the block, also if it raises."""
        began_at = time.perf_counter()
        try:
            yield
        finally:
            self.observe(stage, time.perf_counter() - began_at)

    def set_unlogged(self, failed: int) -> None:
        """Set the number of decisions that could not be written to the log."""
        self._gauges["scope_decisions_unlogged"].set(failed)

    def set_settings_rejected(self, *, rejected: bool) -> None:
        """Set whether the latest settings are rejected."""
        self._gauges["scope_settings_rejected"].set(int(rejected))

    def _count(self, name: str, step: float | None = 1, **labels: str) -> None:
        if step:  # a counter refuses steps of 0
            self._counters[name].inc(step, labels)
