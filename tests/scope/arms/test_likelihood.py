import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.arms.likelihood import covariance, maximise, shrink


def coins(value_x):
    """100 heads and 300 tails, one toss a question; the parameter is the log odds."""
    chance = 1 / (1 + np.exp(-value_x[0]))
    return np.log(np.repeat([chance, 1 - chance], [100, 300]))


def test_the_maximum_is_the_share_of_heads():
    """
    Log odds of 1:3, with error sqrt(1 / (400 * 1/4 * 3/4)).
    """
    best_x = maximise(coins, np.array([100.0]))
    assert best_x == pytest.approx([np.log(1 / 3)], abs=1e-3)
    error = np.sqrt(covariance(coins, best_x, np.array([100.0]))[0, 0])
    assert error == pytest.approx(np.sqrt(1 / 75), rel=0.01)


def test_what_the_data_leave_open_has_the_error_of_the_prior():
    found_xx = covariance(lambda _: np.zeros(9), np.zeros(1), np.array([3.0]))
    assert found_xx[0, 0] == pytest.approx(9)


def test_equal_estimates_stay_and_become_surer():
    value_m, sd_m = shrink(np.array([2.0, 2.0]), np.array([1.0, 1.0]))
    assert value_m.tolist() == [2, 2]
    assert sd_m == pytest.approx([np.sqrt(0.5)] * 2)


def test_one_estimate_stays_as_it_is():
    value_m, sd_m = shrink(np.array([0.7]), np.array([0.2]))
    assert (value_m[0], sd_m[0]) == pytest.approx((0.7, 0.2))


def test_an_unsure_estimate_takes_the_value_of_the_others():
    value_m, _ = shrink(np.array([0.0, 1.0, 9.0]), np.array([0.1, 0.1, 100.0]))
    assert value_m[:2] == pytest.approx([0, 1], abs=0.02)
    assert value_m[2] == pytest.approx(0.5, abs=0.1)


@given(st.lists(st.tuples(st.floats(-6, 7), st.floats(0.01, 50)), min_size=1, max_size=8))
def test_shrinking_stays_between_the_estimates(pairs):
    value_m, sd_m = np.array(pairs).T
    shrunk_m, shrunk_sd_m = shrink(value_m, sd_m)
    assert np.all(shrunk_m >= value_m.min() - 1e-9)
    assert np.all(shrunk_m <= value_m.max() + 1e-9)
    assert np.all(np.isfinite(shrunk_sd_m))
