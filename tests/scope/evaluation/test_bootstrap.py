import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope.evaluation.bootstrap import Interval, bootstrap_weights


def test_the_first_row_is_the_sample_itself():
    """
    Every row sums to 1; the first has equal weights.
    """
    weights = bootstrap_weights(4, seed=0, n_replicates=10)

    assert weights.shape == (11, 4)
    np.testing.assert_allclose(weights[0], 0.25)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(4 * weights % 1, 0)


def test_the_same_seed_draws_the_same():
    """
    Another seed draws other resamples.
    """
    np.testing.assert_array_equal(bootstrap_weights(30, seed=1), bootstrap_weights(30, seed=1))

    assert (bootstrap_weights(30, seed=1) != bootstrap_weights(30, seed=2)).any()


def test_an_interval_of_a_mean_is_two_standard_errors_wide():
    """
    400 coin tosses: .5 ± 1.96 * .025.
    """
    tosses = np.array([0.0, 1.0] * 200)

    got = Interval.from_replicates(bootstrap_weights(400, seed=0) @ tosses)

    assert got.value == pytest.approx(0.5)
    np.testing.assert_allclose([got.low, got.high], [0.451, 0.549], atol=0.006)


def test_an_undefined_number_has_no_interval():
    """
    NaN stays NaN; replicates in which the number is undefined are left out.
    """
    undefined = Interval.from_replicates(np.array([np.nan, 0.5]))
    some = Interval.from_replicates(np.array([0.5, np.nan, 0.4, 0.6]))

    assert math.isnan(undefined.low)
    assert 0.4 <= some.low < 0.5 < some.high <= 0.6


def test_biased_replicates_do_not_shift_the_interval_upwards():
    """
    If every replicate is half a standard error too high, the interval shifts downwards
    by as much.
    """
    drawn = np.random.default_rng(0).standard_normal(20_000)

    plain = Interval.from_replicates(np.concatenate([[0.0], drawn]))
    biased = Interval.from_replicates(np.concatenate([[0.0], drawn + 0.5]))

    np.testing.assert_allclose([plain.low, plain.high], [-1.96, 1.96], atol=0.06)
    np.testing.assert_allclose([biased.low, biased.high], [-2.46, 1.46], atol=0.06)


def test_columns_have_the_intervals_of_single_numbers():
    """
    Also if one of them is undefined in a replicate.
    """
    values = np.random.default_rng(0).random((50, 3))
    holes = values.copy()
    holes[7, 1] = np.nan

    assert Interval.from_columns(values) == tuple(
        Interval.from_replicates(column) for column in values.T
    )
    assert Interval.from_columns(holes)[::2] == Interval.from_columns(values)[::2]


@given(arrays(np.float64, st.integers(2, 30), elements=st.floats(-1, 1)))
def test_an_interval_includes_its_value(values):
    """
    Also if every replicate lies on one side of it.
    """
    got = Interval.from_replicates(values)

    assert got.low <= got.value <= got.high
