import numpy as np
import pytest

from deployments.planning.latency import Latency

STEP_S = 0.0005


def test_a_sum_has_the_sum_of_the_means():
    """
    20 ms and a wait of 10 ms on average.
    """
    fixed = Latency.of_values(STEP_S, np.array([0.02]), np.ones(1))
    wait = Latency.of_wait(STEP_S, 0.5, 0.01)

    assert fixed.plus(wait).mean_s == pytest.approx(0.03, rel=1e-3)


def test_a_wait_is_none_for_those_who_need_not():
    """
    Half wait, on average 20 ms each: the median is 0, and of those who wait 63 % wait less than
    20 ms.
    """
    wait = Latency.of_wait(STEP_S, 0.5, 0.01)

    assert wait.quantile_s(0.49) == 0.0
    assert wait.quantile_s(0.5 + 0.5 * 0.632) == pytest.approx(0.02, abs=2 * STEP_S)


def test_a_spread_has_its_median_and_its_95th_percentile():
    """
    50 ms, and a fifth more.
    """
    latency = Latency.of_spread(STEP_S, 0.05, 1.2)

    assert latency.quantile_s(0.5) == pytest.approx(0.05, abs=2 * STEP_S)
    assert latency.quantile_s(0.95) == pytest.approx(0.06, abs=2 * STEP_S)


def test_the_later_of_two_has_the_later_percentiles():
    """
    The other began 10 ms earlier. A call that is long is so beside a long one.
    """
    half = np.full(2, 0.5)
    first = Latency.of_values(STEP_S, np.array([0.0, 0.04]), half)
    other = Latency.of_values(STEP_S, np.array([0.005, 0.03]), half)
    late, early = first.later_of(other, 0.01), other.later_of(first, 0.01)

    assert (late.quantile_s(0.49), late.quantile_s(0.51)) == pytest.approx((0.0, 0.04))
    assert (early.quantile_s(0.49), early.quantile_s(0.51)) == pytest.approx((0.005, 0.03))
    assert late.chance_n.sum() == pytest.approx(1)


def test_a_mixture_is_fast_for_the_share_that_is():
    """
    A fifth take 10 ms, the others 50.
    """
    fast = Latency.of_values(STEP_S, np.array([0.01]), np.ones(1))
    slow = Latency.of_values(STEP_S, np.array([0.05]), np.ones(1))
    mixed = slow.mixed_with(fast, 0.2)

    assert (mixed.quantile_s(0.19), mixed.quantile_s(0.21)) == pytest.approx((0.01, 0.05))
