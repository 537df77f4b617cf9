"""From counters to shares."""

import pytest

from deployments.operate.metric_samples import MetricInterval, MetricSamples
from deployments.operate.traffic import Traffic, open_breakers


def series(*rows):
    """Samples 10 s after nothing, of (name, value, labels)."""
    values = {(name, frozenset(labels.items())): value for name, value, labels in rows}
    return MetricInterval(MetricSamples(0.0), MetricSamples(10.0, values))


def requests(n, status, endpoint="chat"):
    return "scope_requests_total", n, {"endpoint": endpoint, "status": str(status)}


def decisions(n, degraded):
    return "scope_decisions_total", n, {"degraded": degraded}


def test_requests_of_machines_do_not_count():
    """
    40 + 4 + 6 requests of clients; a 503 of /ready is how a replica says that it starts.
    """
    rows = requests(40, 200), requests(4, 400), requests(6, 502), requests(90, 503, "ready")

    traffic = Traffic.between(series(*rows))

    assert traffic.n_requests == 50
    assert traffic.requests_per_s == 5
    assert traffic.share_4xx == pytest.approx(0.08)
    assert traffic.share_5xx == pytest.approx(0.12)


def test_degraded_decisions_are_named_by_their_most_frequent_reasons():
    """
    4 + 3 + 2 + 1 of 100, of which three reasons are shown; equal ones would go by name.
    """
    rows = [decisions(90, "none"), decisions(4, "b"), decisions(3, "a"), decisions(2, "d")]

    traffic = Traffic.between(series(*rows, decisions(1, "c")))

    assert traffic.degraded_share == pytest.approx(0.1)
    assert traffic.degraded_reasons == {"b": 0.04, "a": 0.03, "d": 0.02}


def test_without_requests_shares_are_unknown():
    """
    No error among no requests is not "0 % errors".
    """
    traffic = Traffic.between(series(requests(0, 200)))

    assert traffic.n_requests == 0
    assert traffic.share_5xx is None
    assert traffic.degraded_share is None
    assert traffic.latencies == ()


def test_the_share_out_of_distribution_is_of_the_prompts_where_it_is_known():
    """
    1 of 4; six more come from a bank that cannot tell.
    """
    rows = [
        ("scope_prompts_total", n, {"distribution": name})
        for name, n in (("in", 3), ("out", 1), ("unknown", 6))
    ]

    assert Traffic.between(series(*rows)).out_of_distribution == 0.25


def test_latencies_come_from_the_buckets_of_all_replicas():
    """
    Two replicas with ten observations each: half are below 10 ms, all below 20 ms.
    """
    rows = [
        ("scope_overhead_latency_ms_bucket", n, {"le": bound, "replica": replica})
        for replica, first in (("r1", 10), ("r2", 0))
        for bound, n in (("10.0", first), ("20.0", 10), ("+Inf", 10))
    ]

    (latency,) = Traffic.between(series(*rows)).latencies

    assert (latency.stage, latency.p50_ms, latency.p95_ms) == ("overhead", 10.0, 19.0)


def test_open_breakers_are_counted_by_upstream():
    """
    2 is open, 1 half-open, 0 closed.
    """
    rows = [
        ("scope_breaker_state", state, {"model": model, "replica": replica})
        for model, replica, state in (
            ("m", "r1", 2),
            ("m", "r2", 2),
            ("n", "r1", 1),
            ("o", "r1", 0),
        )
    ]

    assert open_breakers(series(*rows).after) == {"m": 2}


def test_a_quiet_interval_has_no_decisions_rather_than_an_unknown_number():
    """
    The counter stood at 3 before and after.
    """
    now = series(decisions(3, "none")).after

    traffic = Traffic.between(MetricInterval(MetricSamples(0.0, now.values), now))

    assert (traffic.n_decisions, traffic.n_degraded) == (0, 0)
    assert traffic.degraded_share is None
