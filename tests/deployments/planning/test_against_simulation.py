"""The formulas together, against a simulation that knows the same service times and none of them.

The simulation takes calls to the one of two replicas that has fewer, as Serve does; divides the
Router's work among its visits; and shares the cores among the processes that compute.
"""

import math

import numpy as np
import pytest

from deployments.planning.graph import ServedGraph, capacity_per_s
from deployments.planning.layout import STATIONS, Layout, Load
from tests.deployments.planning.factories import service_times
from tests.deployments.planning.simulation import simulate_graph


@pytest.fixture(scope="module")
def times():
    """Service times without a spread, which the simulation has not."""
    known = service_times()
    uncached = known.serve.uncached.model_copy(update={"p95_s": known.serve.uncached.median_s})
    return known.model_copy(update={"serve": known.serve.model_copy(update={"uncached": uncached})})


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
def test_latency_is_that_of_a_simulation(times, cores, replicas, share, tolerance):
    """
    Median and 95th percentile at shares of what a layout can serve.
    """
    layout = Layout(
        {**dict.fromkeys(STATIONS, 1), **replicas}, {"Embedder": 8, "Predictor": 16}, cores
    )
    capacity = capacity_per_s(times, Load(1, 64, 0.0), layout, math.inf)
    load = Load(share * capacity, 64, 0.0)

    forecast = ServedGraph(times, load, layout).forecast()
    latency_s = simulate_graph(times, load, layout)

    for level in (0.5, 0.95):
        expected = np.quantile(latency_s, level)
        assert forecast.latency.quantile_s(level) == pytest.approx(expected, rel=tolerance)
    assert forecast.latency.mean_s == pytest.approx(latency_s.mean(), rel=tolerance)
