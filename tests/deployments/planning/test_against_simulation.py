"""The formulas together, against a simulation that knows the same service times and none of them.

The simulation takes calls to the one of two replicas that has fewer, as Serve does; divides the
Router's work among its visits; and shares the cores among the processes that compute.
"""

import math

import numpy as np
import pytest

from deployments.planning.graph import ServedGraph, capacity_per_s
from deployments.planning.layout import Layout, Load
from tests.deployments.planning.factories import batch_times, service_times
from tests.deployments.planning.simulation import simulate_graph


def without_spread(known):
    """Service times as the simulation has them."""
    uncached = known.serve.uncached.model_copy(update={"p95_s": known.serve.uncached.median_s})
    return known.model_copy(update={"serve": known.serve.model_copy(update={"uncached": uncached})})


TIMES = without_spread(service_times())
TWO = without_spread(service_times(second=batch_times(0.006, 0.012)))
"""A second encoder of 18 ms a call, beside the first of 20."""


def check(times, layout, share, tolerance):
    """Compare at a share of what a layout can serve."""
    capacity = capacity_per_s(times, Load(1, 64, 0.0), layout, math.inf)
    load = Load(share * capacity, 64, 0.0)

    forecast = ServedGraph(times, load, layout).forecast()
    latency_s = simulate_graph(times, load, layout)

    for level in (0.5, 0.95):
        expected = np.quantile(latency_s, level)
        assert forecast.latency.quantile_s(level) == pytest.approx(expected, rel=tolerance)
    assert forecast.latency.mean_s == pytest.approx(latency_s.mean(), rel=tolerance)


@pytest.mark.parametrize(
    ("cores", "replicas"),
    [
        pytest.param(2, {"Embedder": 2}, id="cores are short"),
        pytest.param(2, {"Embedder": 1}, id="cores and Embedder are short"),
        pytest.param(4, {"Embedder": 3}, id="balanced"),
        pytest.param(64, {"Embedder": 2}, id="processes are short"),
    ],
)
@pytest.mark.parametrize(
    ("share", "tolerance"),
    [pytest.param(0.3, 0.15), pytest.param(0.6, 0.2), pytest.param(0.9, 0.4)],
)
def test_latency_is_that_of_a_simulation(cores, replicas, share, tolerance):
    """
    Median and 95th percentile at shares of what a layout can serve.
    """
    layout = Layout(
        {**dict.fromkeys(TIMES.stations, 1), **replicas}, {"Embedder": 8, "Predictor": 16}, cores
    )

    check(TIMES, layout, share, tolerance)


@pytest.mark.parametrize(
    "cores",
    [
        pytest.param(2, id="cores are short"),
        pytest.param(4, id="balanced"),
        pytest.param(64, id="processes are short"),
    ],
)
@pytest.mark.parametrize(("share", "tolerance"), [(0.3, 0.15), (0.6, 0.3), (0.9, 0.4)])
def test_two_encoders_at_once_take_what_the_later_one_takes(cores, share, tolerance):
    """
    The request goes on when both have answered.
    """
    replicas = {**dict.fromkeys(TWO.stations, 1), "Embedder": 2, "SecondEmbedder": 2}
    batch = {"Embedder": 8, "SecondEmbedder": 8, "Predictor": 16}

    check(TWO, Layout(replicas, batch, cores), share, tolerance)
