"""Text of Prometheus in, rates and quantiles out."""

import math

import pytest

from deployments.operate.metric_samples import (
    MetricInterval,
    MetricSamples,
    histogram_quantile,
    parse_metrics,
)

TEXT = """\
# HELP ray_scope_requests_total Requests.
# TYPE ray_scope_requests_total counter
ray_scope_requests_total{Component="core_worker",WorkerId="w1",replica="r1",status="200"} 5.0
ray_scope_requests_total{Component="core_worker",WorkerId="w2",replica="r2",status="200"} 7.0
ray_tasks{State="FINISHED"} 3.0
"""


def samples(at_s=0.0, silent=(), **values):
    """Samples of ``n``, by replica."""
    series = {("n", frozenset({("replica", name)})): value for name, value in values.items()}
    return MetricSamples(at_s, series, silent)


def test_only_series_of_serve_and_ours_are_read_without_the_labels_of_ray():
    """
    A node of Ray exports thousands of series; a status needs some dozens.
    """
    parsed = parse_metrics([TEXT])

    assert parsed == {
        ("scope_requests_total", frozenset({("replica", "r1"), ("status", "200")})): 5.0,
        ("scope_requests_total", frozenset({("replica", "r2"), ("status", "200")})): 7.0,
    }


def test_series_of_several_nodes_are_added():
    """
    Two proxies export the same series where only the node differs.
    """
    assert MetricSamples(0, parse_metrics([TEXT, TEXT])).total("scope_requests_total") == 24


def test_a_metric_that_nobody_exports_is_unknown():
    """
    Not 0: a Router that has not exported yet may have failed a thousand requests.
    """
    assert MetricSamples(0).total("scope_requests_total") is None
    assert MetricInterval(samples(), samples(1)).increase("n") is None


def test_an_increase_survives_replicas_that_come_go_and_restart():
    """
    ``a`` went from 5 to 8, ``b`` is new with 2, ``c`` fell from 9 to 1, ``d`` is gone: 3 + 2 + 1.
    """
    interval = MetricInterval(samples(a=5, c=9, d=4), samples(10, a=8, b=2, c=1))

    assert interval.increase("n") == 6
    assert interval.seconds == 10
    assert interval.by_label("n", "replica") == {"a": 3, "b": 2, "c": 1}


def test_a_node_that_was_silent_before_adds_no_history():
    """
    Its series may have counted for hours: 3 of ``a`` only.
    """
    interval = MetricInterval(samples(silent=("node 2",), a=5), samples(10, a=8, b=2_000))

    assert interval.increase("n") == 3


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        pytest.param(0.25, 5.0, id="half-way in the first bucket"),
        pytest.param(0.5, 10.0, id="its end"),
        pytest.param(0.75, 15.0, id="half-way in the second"),
        pytest.param(1.0, 20.0, id="the end of all"),
    ],
)
def test_a_quantile_is_linear_within_its_bucket(level, expected):
    """
    Ten observations up to 10 ms, ten more up to 20 ms, an empty bucket behind.
    """
    buckets = {10.0: 10, 20.0: 20, 50.0: 20, math.inf: 20}

    assert histogram_quantile(buckets, level) == expected


def test_a_quantile_above_all_bounds_is_the_highest_bound():
    """
    Nothing more is known of it.
    """
    assert histogram_quantile({10.0: 1, math.inf: 20}, 0.95) == 10.0


def test_a_histogram_without_observations_has_no_quantile():
    """
    0 ms would be the best latency of all.
    """
    assert histogram_quantile({10.0: 0, math.inf: 0}, 0.5) is None
    assert histogram_quantile({}, 0.5) is None
