"""When a new bank has to go."""

import pytest

from deployments.operate.traffic import StageLatency, Traffic
from deployments.operate.watch_limits import Baseline, WatchLimits, broken_limit

LIMITS = WatchLimits(max_degraded=0.05, max_p95_ratio=1.5, max_errors=0.01)
BEFORE = Baseline(n_requests=500, degraded_share=0.02, share_5xx=0.0, p95_ms=100.0)


def traffic(n=1_000, *, degraded=0, errors=0, p95_ms=100.0):
    """A minute in which each request was one decision."""
    latencies = (StageLatency("overhead", 50.0, p95_ms),)
    return Traffic(60.0, n, 0, errors, latencies, n, degraded, {}, None)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(traffic(), id="as before"),
        pytest.param(traffic(degraded=70), id="7 % degraded, 5 points above the 2 % before"),
        pytest.param(traffic(errors=10), id="1 % failed"),
        pytest.param(traffic(p95_ms=150.0), id="1.5 times as slow"),
        pytest.param(traffic(19, degraded=19, errors=19, p95_ms=9e9), id="too few to say"),
        pytest.param(traffic(60, errors=2), id="two failures are no trend"),
        pytest.param(traffic(99, p95_ms=9e9), id="four observations above a percentile"),
    ],
)
def test_within_the_limits_a_bank_stays(now):
    """
    Each at its limit, or with too few requests to say.
    """
    assert broken_limit(LIMITS, BEFORE, now) is None


@pytest.mark.parametrize(
    ("now", "why"),
    [
        pytest.param(
            traffic(degraded=80),
            "8.0 % of the decisions are degraded, 80 of 1,000; the limit is 7.0 %",
            id="degraded",
        ),
        pytest.param(
            traffic(errors=30),
            "3.0 % of the requests failed with a 5xx, 30 of 1,000; the limit is 1.0 %",
            id="failed",
        ),
        pytest.param(
            traffic(p95_ms=200.0),
            "the p95 of the routing overhead is 200 ms, 2.00 times the 100 ms before; "
            "the limit is 1.5 times",
            id="slow",
        ),
    ],
)
def test_a_broken_limit_is_a_sentence_with_its_numbers(now, why):
    """
    It is what the operator reads in the morning.
    """
    assert broken_limit(LIMITS, BEFORE, now) == why


def test_without_a_latency_before_none_is_compared():
    """
    A ratio to an unknown number is unknown; shares still count.
    """
    before = Baseline()

    assert broken_limit(LIMITS, before, traffic(p95_ms=9e9)) is None
    assert "degraded" in broken_limit(LIMITS, before, traffic(degraded=60))


def test_a_percentile_of_few_decisions_is_no_baseline():
    """
    19 decisions have one value above their 95th percentile.
    """
    assert Baseline.of(traffic(19)).p95_ms is None
    assert Baseline.of(traffic(20)).p95_ms == 100.0
