import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope.bootstrap import Interval, resamples


def test_the_first_row_is_the_sample_itself():
    """
    Every row counts all questions once in sum; the first counts each evenly.
    """
    weights = resamples(4, seed=0, n_replicates=10)

    assert weights.shape == (11, 4)
    np.testing.assert_allclose(weights[0], 0.25)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(4 * weights % 1, 0)


def test_the_same_seed_draws_the_same():
    """
    And another one others.
    """
    np.testing.assert_array_equal(resamples(30, seed=1), resamples(30, seed=1))

    assert (resamples(30, seed=1) != resamples(30, seed=2)).any()


def test_an_interval_of_a_mean_is_two_standard_errors_wide():
    """
    400 coin tosses: .5 ± 1.96 * .025.
    """
    tosses = np.array([0.0, 1.0] * 200)

    got = Interval.of(resamples(400, seed=0) @ tosses)

    assert got.value == pytest.approx(0.5)
    np.testing.assert_allclose([got.low, got.high], [0.451, 0.549], atol=0.006)


def test_what_is_not_defined_has_no_interval():
    """
    NaN stays NaN; replicates in which the number is not defined are left out.
    """
    nothing = Interval.of(np.array([np.nan, 0.5]))
    some = Interval.of(np.array([0.5, np.nan, 0.4, 0.6]))

    assert math.isnan(nothing.low)
    assert 0.4 <= some.low < 0.5 < some.high <= 0.6


@given(arrays(np.float64, st.integers(2, 30), elements=st.floats(-1, 1)))
def test_an_interval_holds_its_value(values):
    """
    Also where every replicate lies on one side of it.
    """
    got = Interval.of(values)

    assert got.low <= got.value <= got.high
