"""What the Router counts and times, for Prometheus; every label has few values."""

import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from ray.serve.metrics import Counter, Gauge, Histogram

from deployments.protocol import Decision
from deployments.upstream import Attempt, Upstream

BOUNDARIES_MS = [1.0, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4]
STATES = {"closed": 0, "half-opened": 1, "opened": 2}
"""Of breakers, as `scope_breaker_state` tells them."""


class Metrics:
    """The metrics of one replica; Ray's agent exports them with the prefix ``ray_``."""

    def __init__(self) -> None:
        self._requests = _counter(
            "scope_requests_total", "Requests by endpoint and HTTP status.", "endpoint", "status"
        )
        self._decisions = _counter(
            "scope_decisions_total",
            "Decisions by model, policy, source and degraded reason.",
            "model",
            "policy",
            "source",
            "degraded",
        )
        self._predicted_usd = _counter(
            "scope_predicted_cost_usd_total", "Predicted cost of the chosen models, USD.", "model"
        )
        self._real_usd = _counter(
            "scope_real_cost_usd_total",
            "Cost of answers by the tokens upstreams report, USD.",
            "model",
        )
        self._attempts = _counter(
            "scope_upstream_attempts_total",
            "Calls of upstreams by model and outcome.",
            "model",
            "outcome",
        )
        self._cache = _counter(
            "scope_cache_lookups_total", "Prompts looked up in the prediction cache.", "result"
        )
        self._reasoning = _counter(
            "scope_reasoning_total",
            "Models about which the reasoner was asked, or not (saved), and calls that were "
            "cancelled or failed.",
            "result",
        )
        self._latency = {
            step: Histogram(
                f"scope_{step}_latency_ms",
                description=f"Time of {what}, ms.",
                boundaries=BOUNDARIES_MS,
            )
            for step, what in {
                "overhead": "routing a request, from its arrival to the decision",
                "embed": "a call of the Embedder",
                "predict": "a call of the Predictor",
                "reason": "asking the reasoner for a request",
                "upstream": "an answer, or the first byte of a stream, retries included",
            }.items()
        }
        self._breaker = Gauge(
            "scope_breaker_state",
            description="Circuit of an upstream: 0 closed, 1 half-opened, 2 opened.",
            tag_keys=("model",),
        )
        self._unlogged = Gauge(
            "scope_decisions_unlogged",
            description="Decisions that the disk refused since the settings changed.",
        )
        self._rejected = Gauge(
            "scope_settings_rejected",
            description="1 while the latest user_config is refused and the one before in force.",
        )

    def count_response(self, endpoint: str, status: int) -> None:
        """Count a request that got its status."""
        self._requests.inc(1, {"endpoint": endpoint, "status": str(status)})

    def count_decisions(self, decisions: Iterable[Decision], overhead_s: float) -> None:
        """Count the decisions of one request."""
        labels = ("model", "policy", "source", "degraded")
        tally = Tally(
            (d.model or "none", d.policy_name or "none", d.source, d.degraded or "none")
            for d in decisions
        )
        for values, n in tally.items():
            self._decisions.inc(n, dict(zip(labels, values, strict=True)))
        self.observe("overhead", overhead_s)

    def count_cost(
        self, model: str | None, predicted_usd: float | None, real_usd: float | None
    ) -> None:
        """Count what an answer was predicted to cost, and what it did."""
        for counter, usd in ((self._predicted_usd, predicted_usd), (self._real_usd, real_usd)):
            if model and usd:  # a counter refuses steps of 0
                counter.inc(usd, {"model": model})

    def count_attempts(self, attempts: Iterable[Attempt], upstreams: Iterable[Upstream]) -> None:
        """Count the calls of one request, and look at the circuits."""
        for attempt in attempts:
            self._attempts.inc(1, {"model": attempt.model, "outcome": attempt.outcome})
        for upstream in upstreams:
            self._breaker.set(STATES[upstream.breaker.state], {"model": upstream.name})

    def count_cache(self, hits: int, lookups: int) -> None:
        """Count lookups of the prediction cache."""
        for result, n in (("hit", hits), ("miss", lookups - hits)):
            if n:
                self._cache.inc(n, {"result": result})

    def count_reasoning(self, told: Mapping[str, int]) -> None:
        """Count what asking the reasoner came to."""
        for result, n in told.items():
            if n:
                self._reasoning.inc(n, {"result": result})

    def observe(self, step: str, seconds: float) -> None:
        """Note how long a step took."""
        self._latency[step].observe(1e3 * max(seconds, 1e-6))  # a histogram refuses 0

    @contextmanager
    def timer(self, step: str) -> Iterator[None]:
        """Note how long the block takes, however it ends."""
        began_at = time.perf_counter()
        try:
            yield
        finally:
            self.observe(step, time.perf_counter() - began_at)

    def set_unlogged(self, failed: int) -> None:
        """Note how many decisions could not be written down."""
        self._unlogged.set(failed)

    def set_settings_rejected(self, *, rejected: bool) -> None:
        """Note whether the latest settings were refused."""
        self._rejected.set(int(rejected))


def _counter(name: str, description: str, *labels: str) -> Counter:
    return Counter(name, description=description, tag_keys=labels)  # type: ignore[arg-type]  # Ray means tuple[str, ...]
