import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.planning.batch_queue import BatchQueue


def simulate(rate_per_s, service_s_n, n_calls=60_000, seed=0):
    """Latencies of calls to a replica that serves batches, one event after another."""
    arrivals_s = np.cumsum(np.random.default_rng(seed).exponential(1 / rate_per_s, n_calls))
    free_s, first, latencies_s = 0.0, 0, []
    while first < n_calls:
        start_s = max(free_s, arrivals_s[first])
        waiting = int(np.searchsorted(arrivals_s, start_s, side="right")) - first
        batch = max(1, min(waiting, len(service_s_n)))
        free_s = start_s + service_s_n[batch - 1]
        latencies_s += [free_s - arrived_s for arrived_s in arrivals_s[first : first + batch]]
        first += batch
    return np.array(latencies_s)


def line(fixed_s, per_call_s, largest):
    """Times of batches of 1, 2, ... calls."""
    return fixed_s + per_call_s * np.arange(1, largest + 1)


@pytest.mark.parametrize("utilisation", [0.1, 0.5, 0.8])
def test_without_batches_it_is_the_textbook_queue(utilisation):
    """
    M/D/1: service of 0.1 s and a wait of ``u / (2 (1 - u))`` of it.
    """
    queue = BatchQueue.solve(utilisation / 0.1, line(0.1, 0.0, 1))

    assert queue.utilisation == pytest.approx(utilisation, rel=1e-3)
    assert queue.mean_batch == pytest.approx(1.0, rel=1e-3)
    expected_s = 0.1 + 0.1 * utilisation / (2 * (1 - utilisation))
    assert queue.mean_latency_s == pytest.approx(expected_s, rel=1e-2)


@pytest.mark.parametrize("rate_per_s", [5, 20, 35, 45])
@pytest.mark.parametrize("largest", [4, 32])
def test_it_agrees_with_a_simulation(rate_per_s, largest):
    """
    Mean and 95th percentile of 60,000 calls; batches of 10 ms and 16 ms a call.
    """
    service_s_n = line(0.01, 0.016, largest)
    queue = BatchQueue.solve(rate_per_s, service_s_n)
    latency_s = simulate(rate_per_s, service_s_n)
    extra_s, chance = queue.extra_latency(1.0)
    order = np.argsort(extra_s)
    at_95 = order[np.searchsorted(np.cumsum(chance[order]), 0.95)]

    assert chance.sum() == pytest.approx(1.0, abs=1e-3)
    assert queue.mean_latency_s == pytest.approx(latency_s.mean(), rel=0.05)
    assert service_s_n[0] + extra_s @ chance == pytest.approx(latency_s.mean(), rel=0.06)
    assert service_s_n[0] + extra_s[at_95] == pytest.approx(np.quantile(latency_s, 0.95), rel=0.08)


def test_a_call_that_meets_no_other_takes_a_batch_of_one():
    """
    One call in 1,000 s.
    """
    queue = BatchQueue.solve(0.001, line(0.01, 0.02, 8))

    assert queue.mean_latency_s == pytest.approx(0.03, rel=1e-3)


def test_more_calls_than_full_batches_serve_have_no_steady_state():
    """
    A batch of 4 takes 0.1 s: 40 calls a second are too many, 39 are not.
    """
    service_s_n = line(0.02, 0.02, 4)

    assert BatchQueue.solve(40, service_s_n) is None
    assert BatchQueue.solve(39, service_s_n) is not None


def test_batches_grow_with_the_load():
    """
    When batches are long and calls in them short, they serve ten times the load of single calls.
    """
    service_s_n = line(0.1, 0.001, 64)
    queue = BatchQueue.solve(100, service_s_n)

    # A cycle is 0.1 s / (1 - 100 * 0.001), in which 100 calls a second arrive.
    assert queue.mean_batch == pytest.approx(100 * 0.1 / 0.9, rel=0.01)
    assert queue.utilisation == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.0, 0.05),
    st.floats(0.001, 0.05),
    st.integers(1, 32),
    st.floats(0.05, 0.9),
    st.floats(0.05, 0.9),
)
def test_more_load_never_shortens_the_latency(fixed_s, per_call_s, largest, one, other):
    """
    Loads as shares of what full batches serve.
    """
    service_s_n = line(fixed_s, per_call_s, largest)
    most = largest / service_s_n[-1]
    low, high = sorted((one, other))
    slow, fast = (BatchQueue.solve(share * most, service_s_n) for share in (low, high))

    assert slow.mean_latency_s <= fast.mean_latency_s * (1 + 1e-6)
    assert 0 < fast.utilisation <= 1 + 1e-9
    assert 1 - 1e-6 <= fast.mean_batch <= largest + 1e-6


def test_a_free_neighbour_takes_the_calls_that_would_wait():
    """
    If no replica is ever found busy, no call waits.
    """
    extra_s, chance = BatchQueue.solve(30, line(0.01, 0.016, 8)).extra_latency(0.0)

    assert extra_s @ chance == 0.0
