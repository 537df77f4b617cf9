import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.planning.graph import ServedGraph, capacity_per_s
from deployments.planning.layout import Layout, Load
from tests.deployments.planning.factories import batch_times, service_times

TIMES = service_times()
TWO = service_times(second=batch_times(0.005, 0.01))
"""A second encoder of 15 ms a call."""
replicas = st.fixed_dictionaries({name: st.integers(1, 4) for name in TIMES.stations})


def layout(cores=64, batch=8, **n):
    """One process of each kind but those named."""
    return Layout({**dict.fromkeys(TWO.stations, 1), **n}, dict.fromkeys(TWO.batched, batch), cores)


def forecast(load, built=None, times=TIMES):
    """Solve a graph."""
    return ServedGraph(times, load, built or layout()).forecast()


def test_a_request_that_meets_no_other_takes_what_was_measured():
    """
    40 ms and 44 ms not cached, 10 ms cached: one in a minute.
    """
    new, seen = (forecast(Load(1 / 60, 64, hit_rate)) for hit_rate in (0.0, 1.0))

    assert new.latency.quantile_s(0.5) == pytest.approx(0.04, rel=0.03)
    assert new.latency.quantile_s(0.95) == pytest.approx(0.044, rel=0.03)
    assert seen.latency.quantile_s(0.5) == pytest.approx(0.01, rel=0.1)


def test_utilisation_and_cores_are_rate_times_service():
    """
    10 a second of 5, 10, 20 and 5 ms: 0.4 cores, a quarter of them the Router's.
    """
    found = forecast(Load(10, 64, 0.0))

    assert found.stations["proxy"].utilisation == pytest.approx(0.05)
    assert found.stations["Router"].utilisation == pytest.approx(0.1)
    assert found.stations["Router"].cores == pytest.approx(0.1)
    # Now and then a batch of two saves a little.
    assert found.cores == pytest.approx(0.4, rel=0.05)


def test_cached_prompts_reach_no_embedder():
    """
    A fifth cached: 8 of 10 requests a second do.
    """
    found = forecast(Load(10, 64, 0.2))

    assert found.stations["Embedder"].utilisation == pytest.approx(0.16, rel=0.05)
    assert forecast(Load(10, 64, 1.0)).stations["Embedder"].utilisation == 0.0


def test_calls_at_a_station_follow_littles_law():
    """
    Rate times time.
    """
    found = forecast(Load(40, 64, 0.0), layout(Embedder=2)).stations["Embedder"]

    assert found.ongoing == pytest.approx(40 / 2 * found.latency_s)


def test_the_router_limits_a_graph_with_one():
    """
    100 requests a second of 10 ms each are its end; two Routers serve them.
    """
    load = Load(101, 64, 0.0)
    enough = {"Embedder": 8, "Predictor": 4, "proxy": 2}

    assert forecast(load, layout(**enough)) is None
    assert forecast(load, layout(Router=2, **enough)) is not None


def test_cores_limit_a_graph_with_enough_processes():
    """
    40 ms a request on one core: 25 a second are more than it has, 20 are not.
    """
    assert forecast(Load(25, 64, 0.0), layout(cores=1, batch=1)) is None
    assert forecast(Load(20, 64, 0.0), layout(cores=1, batch=1)) is not None


def test_other_programs_on_the_cores_slow_requests_down():
    """
    One that always computes, on one of two cores; clients that take 20 ms a request.
    """
    load = Load(15, 64, 0.0)
    alone = forecast(load, layout(cores=2)).latency.mean_s
    beside = Layout(**{**_fields(layout(cores=2)), "background_cores": 1.0})
    clients = Layout(**{**_fields(layout(cores=2)), "client_cpu_s": 0.02})

    assert alone < forecast(load, clients).latency.mean_s < forecast(load, beside).latency.mean_s


def _fields(built):
    return {name: getattr(built, name) for name in built.__slots__}


def test_a_gpu_does_not_take_the_cores():
    """
    Batches of 20 ms and 1 ms of a core each.
    """
    gpu = service_times(embedder=batch_times(0.019, 0.001, device="cuda"))
    found = forecast(Load(30, 64, 0.0), times=gpu).stations["Embedder"]

    # 20 ms of CPU were measured through Serve, of which 19 are not those of the class.
    assert found.cores < 0.7
    assert found.utilisation > found.cores


def test_two_encoders_take_as_long_as_the_longer_one():
    """
    20 ms beside 15. On one core their work adds up.
    """
    quiet = Load(1 / 60, 64, 0.0)
    one, two = (forecast(quiet, times=times).latency.quantile_s(0.5) for times in (TIMES, TWO))
    alone = forecast(quiet, layout(cores=1), TWO).latency.quantile_s(0.5)

    assert two == pytest.approx(one, rel=0.03)
    assert alone == pytest.approx(0.04 + 0.015, rel=0.03)


def test_a_second_encoder_is_called_for_each_prompt_that_is_not_cached():
    """
    15 ms for 8 of 10 requests a second; its cores are among those of all.
    """
    found = forecast(Load(10, 64, 0.2), times=TWO)
    without = forecast(Load(10, 64, 0.2))

    assert found.stations["SecondEmbedder"].utilisation == pytest.approx(0.12, rel=0.05)
    assert found.cores == pytest.approx(without.cores + 0.12, rel=0.05)


def test_a_second_encoder_that_is_short_of_replicas_makes_requests_wait():
    """
    60 a second of 15 ms are nearly all that one replica does; two have half of it each.
    """
    load = Load(60, 64, 0.0)
    enough = {"Embedder": 4, "Router": 2}
    one, two = (
        forecast(load, layout(batch=1, SecondEmbedder=n, **enough), TWO).latency for n in (1, 2)
    )

    assert one.quantile_s(0.95) > 1.5 * two.quantile_s(0.95)


def test_serves_part_of_a_call_is_what_the_class_does_not_take():
    """
    The Predictor's process takes 5 ms a call, its class 5; with 3 it would be 2.
    """
    assert TIMES.call_overhead_s("Predictor") == pytest.approx(0.0)
    quick = TIMES.model_copy(
        update={
            "deployments": {
                **TIMES.deployments,
                "Predictor": batch_times(0.002, 0.001, lengths=(1,)),
            }
        }
    )
    assert quick.call_overhead_s("Predictor") == pytest.approx(0.002)


def test_longer_prompts_take_longer():
    """
    By the measured lengths; beyond the longest no more.
    """
    means = [forecast(Load(1, tokens, 0.0)).latency.mean_s for tokens in (16, 64, 256, 1024)]

    assert means[0] < means[1] < means[2]
    assert means[2] == pytest.approx(means[3])


@settings(max_examples=25, deadline=None)
@given(replicas, st.floats(1, 60), st.floats(1, 60), st.floats(0, 1), st.integers(1, 8))
def test_more_load_never_lowers_the_latency(n, one, other, hit_rate, cores):
    """
    Whatever the layout; a load that is too high for it has none.
    """
    low, high = sorted((one, other))
    built = layout(cores, **n)
    slow, fast = (forecast(Load(rate, 64, hit_rate), built) for rate in (low, high))

    if slow is None:
        assert fast is None
    elif fast is not None:
        assert slow.latency.mean_s <= fast.latency.mean_s * 1.001


@settings(max_examples=25, deadline=None)
@given(replicas, st.floats(1, 60), st.sampled_from(TIMES.stations))
def test_another_replica_never_makes_it_slower_on_enough_cores(n, rate, station):
    """
    64 cores.
    """
    few = forecast(Load(rate, 64, 0.0), layout(**n))
    many = forecast(Load(rate, 64, 0.0), layout(**n).with_more(station))

    if few is not None:
        assert many is not None
        assert many.latency.mean_s <= few.latency.mean_s * 1.001


@settings(max_examples=15, deadline=None)
@given(replicas, st.floats(1, 60), st.integers(1, 8))
def test_another_core_never_makes_it_slower(n, rate, cores):
    """
    And what few carry, more carry.
    """
    few, many = (forecast(Load(rate, 64, 0.0), layout(c, **n)) for c in (cores, cores + 1))

    if few is not None:
        assert many.latency.mean_s <= few.latency.mean_s * 1.001


def test_capacity_is_where_the_target_is_reached():
    """
    Just below it p95 is within the target, just above it is not.
    """
    load, built = Load(1, 64, 0.0), layout(cores=2, Embedder=2)
    rate = capacity_per_s(TIMES, load, built, 0.1)
    below, above = (
        forecast(load._replace(requests_per_s=share * rate), built) for share in (0.99, 1.02)
    )

    assert below.latency.quantile_s(0.95) <= 0.1
    assert above is None or above.latency.quantile_s(0.95) > 0.1
    assert capacity_per_s(TIMES, load, built, math.inf) > rate
