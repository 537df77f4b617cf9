"""Prometheus metrics of the Router."""

import math
import time
from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from ray.serve.metrics import Counter, Gauge, Histogram

from deployments.protocol import Decision, ReasoningResult
from deployments.telemetry.comparisons import ComparisonSums, add_comparisons
from deployments.telemetry.daily_spend import DailySpend
from deployments.telemetry.definitions import (
    BOUNDARIES_MS,
    BREAKER_STATES,
    COUNTERS,
    GAUGES,
    STAGES,
)
from deployments.telemetry.recent_decisions import RecentDecision, tenth_of
from deployments.upstream import Attempt, Upstream
from scope.traffic import CalibrationTest

Labels = tuple[tuple[str, str], ...]
"""Names and values of the labels of one series."""


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
        self._spend = DailySpend()
        self._comparisons: dict[str, ComparisonSums] = {}
        self._drift = defaultdict[str, CalibrationTest](CalibrationTest)
        self._values: dict[str, dict[Labels, float]] = {name: {} for name in GAUGES}

    def count_response(self, endpoint: str, status: int) -> None:
        """Count a response."""
        self._count("scope_requests_total", endpoint=endpoint, status=str(status))

    def count_decisions(self, decisions: Sequence[Decision], overhead_s: float) -> None:
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
        for distribution, n in Multiset(map(_distribution, decisions)).items():
            self._count("scope_prompts_total", n, distribution=distribution)
        add_comparisons(self._comparisons, decisions)
        self.observe("overhead", overhead_s)

    def count_cost(
        self, model: str | None, predicted_usd: float | None, real_usd: float | None
    ) -> None:
        """Count the predicted and the real cost of an answer, None where one is unknown."""
        if model:
            paired = predicted_usd is not None and real_usd is not None
            labels = {"model": model, "paired": "yes" if paired else "no"}
            self._count("scope_predicted_cost_usd_total", predicted_usd, **labels)
            self._count("scope_real_cost_usd_total", real_usd, **labels)
        self._spend.add(real_usd or 0.0)
        self._set("scope_spend_today_usd", self._spend.today_usd)

    def refresh(self, upstreams: Iterable[Upstream]) -> None:
        """Export the comparisons since the last call, and all gauges again, every few seconds.

        Comparisons have five counters for every candidate: half a millisecond for a decision.
        Ray exports a gauge only for a while after it was set, and time changes some without a
        request: midnight the spend of today, a pause the state of a breaker.
        """
        comparisons, self._comparisons = self._comparisons, {}
        for candidate, sums in comparisons.items():
            for name, value in sums.by_metric().items():
                self._count(name, value, candidate=candidate)
        self._set_breakers(upstreams)
        self._set("scope_spend_today_usd", self._spend.today_usd)
        for name, values in self._values.items():
            for labels, value in values.items():
                self._gauges[name].set(value, dict(labels))

    def count_feedback(self, decision: RecentDecision, score: float) -> None:
        """Count the score of a decision that had none."""
        labels = {"model": decision.model or "none", "bin": tenth_of(decision.p_correct)}
        self._count("scope_feedback_total", 1, **labels)
        self._count("scope_feedback_score_total", score, **labels)
        self._count("scope_feedback_predicted_total", decision.p_correct, **labels)
        if decision.model is not None and decision.p_correct is not None:
            self._test_drift(decision.model, decision.p_correct, score)

    def _test_drift(self, model: str, p_correct: float, score: float) -> None:
        """Add a score to the evidence of drift of a model.

        Each replica tests the scores of its own decisions, and a replica that starts, as every one
        does for another bank, has none. The mean of the evidence over the replicas, which the
        alert ScopeDrift takes, is again a wealth that cannot grow in expectation, however their
        scores depend on each other: the false-alarm rate is that of one generation of replicas.
        """
        test = self._drift[model]
        test.add(p_correct, score)
        self._set("scope_drift_log_evidence", float(test.log_evidence_n[0]), model=model)

    def count_attempts(self, attempts: Iterable[Attempt], upstreams: Iterable[Upstream]) -> None:
        """Count the calls of one request, and update the breaker states."""
        for attempt in attempts:
            self._count(
                "scope_upstream_attempts_total", model=attempt.model, outcome=attempt.outcome
            )
            self._count_samples(attempt)
        self._set_breakers(upstreams)

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
        self._set("scope_decisions_unlogged", failed)

    def set_versions(self, *, bank: str, policy: str, settings: str) -> None:
        """Set the bank, policy and digest of the settings that are in force."""
        for earlier in self._values["scope_info"]:
            self._gauges["scope_info"].set(0, dict(earlier))
        self._values["scope_info"].clear()
        self._set("scope_info", 1, bank=bank, policy=policy, settings=settings)

    def set_budget(self, usd_per_day: float | None) -> None:
        """Set the budget of a day; None: there is none."""
        budget = math.nan if usd_per_day is None else usd_per_day
        self._set("scope_budget_usd_per_day", budget)

    def set_settings_rejected(self, *, rejected: bool) -> None:
        """Set whether the latest settings are rejected."""
        self._set("scope_settings_rejected", int(rejected))

    def _set_breakers(self, upstreams: Iterable[Upstream]) -> None:
        """Set the state of every breaker; those of other upstreams are forgotten."""
        self._values["scope_breaker_state"].clear()
        for upstream in upstreams:
            state = BREAKER_STATES[upstream.breaker.state]
            self._set("scope_breaker_state", state, model=upstream.name)

    def _set(self, name: str, value: float, **labels: str) -> None:
        self._values[name][tuple(labels.items())] = value
        self._gauges[name].set(value, labels)

    def _count(self, name: str, step: float | None = 1, **labels: str) -> None:
        if step:  # a counter refuses steps of 0
            self._counters[name].inc(step, labels)


def _distribution(decision: Decision) -> str:
    if decision.out_of_distribution is None:
        return "unknown"
    return "out" if decision.out_of_distribution else "in"
