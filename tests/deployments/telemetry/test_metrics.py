"""What the Router counts, seen at Ray's counters and gauges."""

import math
from types import SimpleNamespace

import pytest

from deployments.protocol import CandidateEstimate, Decision
from deployments.telemetry.metrics import Metrics
from deployments.telemetry.recent_decisions import RecentDecision


class Instrument:
    """Stands in for a counter or gauge of Ray, whose values cannot be read."""

    def __init__(self):
        self.values = {}

    def inc(self, step, labels):
        key = tuple(labels.values())
        self.values[key] = self.values.get(key, 0.0) + step

    def set(self, value, labels):
        self.values[tuple(labels.values())] = value


class Seen(dict):
    """An instrument for each name."""

    def __missing__(self, name):
        self[name] = Instrument()
        return self[name]


@pytest.fixture
def metrics():
    """Metrics whose values are in ``.counted`` and ``.gauged``."""
    metrics = Metrics()
    metrics.counted = metrics._counters = Seen()
    metrics.gauged = metrics._gauges = Seen()
    return metrics


def upstream(name, state):
    return SimpleNamespace(name=name, breaker=SimpleNamespace(state=state))


def test_prompts_are_counted_by_distribution(metrics):
    """
    Unknown is not in. Candidates are compared once, at the next refresh.
    """
    candidate = CandidateEstimate("a", p_correct=0.5, cost_usd=1.0)
    decisions = [
        Decision("a", ("a",), "", candidates=(candidate,), out_of_distribution=out)
        for out in (True, False, False, None)
    ]

    metrics.count_decisions(decisions, 0.01)
    metrics.refresh([])
    metrics.refresh([])

    assert metrics.counted["scope_prompts_total"].values == {
        ("out",): 1,
        ("in",): 2,
        ("unknown",): 1,
    }
    assert metrics.counted["scope_candidate_cost_usd_total"].values == {("a",): 4.0}


def test_costs_that_are_known_both_ways_are_paired(metrics):
    """
    A named model has no prediction, a stream without usage no real cost: neither belongs into a
    comparison. All real cost is spend.
    """
    metrics.count_cost("a", 1.0, 2.0)
    metrics.count_cost("a", None, 4.0)
    metrics.count_cost("a", 8.0, None)

    assert metrics.counted["scope_real_cost_usd_total"].values == {("a", "yes"): 2, ("a", "no"): 4}
    predicted = metrics.counted["scope_predicted_cost_usd_total"].values
    assert predicted == {("a", "yes"): 1, ("a", "no"): 8}
    assert metrics.gauged["scope_spend_today_usd"].values == {(): 6.0}


def test_a_score_is_counted_by_model_and_tenth(metrics):
    """
    A score of 0 is counted, too; a decision without a probability adds none.
    """
    metrics.count_feedback(RecentDecision("ann", "a", 0.75), 0.0)
    metrics.count_feedback(RecentDecision("ann", "a", None), 1.0)

    assert metrics.counted["scope_feedback_total"].values == {("a", "0.7"): 1, ("a", "unknown"): 1}
    assert metrics.counted["scope_feedback_score_total"].values == {("a", "unknown"): 1.0}
    assert metrics.counted["scope_feedback_predicted_total"].values == {("a", "0.7"): 0.75}


def test_scores_far_from_the_predictions_are_evidence_of_drift(metrics):
    """
    A model that is wrong forty times at 0.75, and one that is right three times of four; a score
    without a probability says nothing. The alert wants log(100 x 2 models) = 5.3.
    """
    for n in range(40):
        metrics.count_feedback(RecentDecision("ann", "fallen", 0.75), 0.0)
        metrics.count_feedback(RecentDecision("ann", "good", 0.75), float(n % 4 > 0))
        metrics.count_feedback(RecentDecision("ann", "unpredicted", None), 0.0)

    evidence = metrics.gauged["scope_drift_log_evidence"].values
    assert evidence.keys() == {("fallen",), ("good",)}
    assert evidence["fallen",] > math.log(200)
    assert evidence["good",] < 0.5


def test_gauges_are_exported_again(metrics):
    """
    Ray forgets a gauge that is not set for a while.
    """
    metrics.set_settings_rejected(rejected=True)
    metrics.set_budget(5.0)
    metrics.set_unlogged(3)
    for instrument in metrics.gauged.values():
        instrument.values.clear()

    metrics.refresh([upstream("a", "open")])

    assert {name: list(seen.values.values()) for name, seen in metrics.gauged.items()} == {
        "scope_settings_rejected": [1],
        "scope_budget_usd_per_day": [5.0],
        "scope_decisions_unlogged": [3],
        "scope_breaker_state": [2],
        "scope_spend_today_usd": [0.0],
    }


def test_what_is_gone_is_not_exported_again(metrics):
    """
    Versions that are no longer in force are set to 0 once; an upstream that the settings no longer
    name has no breaker. Without a budget the gauge is not a number, which no spend exceeds.
    """
    metrics.set_versions(bank="1a", policy="alpha 0.6", settings="d0")
    metrics.refresh([upstream("a", "open")])
    metrics.set_versions(bank="1a", policy="alpha 0.7", settings="e1")
    once = dict(metrics.gauged["scope_info"].values)
    metrics.set_budget(None)
    for instrument in metrics.gauged.values():
        instrument.values.clear()
    metrics.refresh([upstream("b", "closed")])

    assert once == {("1a", "alpha 0.6", "d0"): 0, ("1a", "alpha 0.7", "e1"): 1}
    assert metrics.gauged["scope_info"].values == {("1a", "alpha 0.7", "e1"): 1}
    assert metrics.gauged["scope_breaker_state"].values == {("b",): 0}
    assert math.isnan(metrics.gauged["scope_budget_usd_per_day"].values[()])
