import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.calibration_bins import CalibrationBin, calibration_gaps, ece, equal_mass_bins
from tests.factories.forecasts import cells_of


def test_bins_are_of_equal_mass():
    """
    Thirty different forecasts, fifteen bins of two.
    """
    np.testing.assert_array_equal(np.bincount(equal_mass_bins(np.arange(30) / 30)), [2] * 15)


def test_a_bin_has_mean_forecast_and_share_of_correct_answers():
    """
    Two forecasts with mean .2, one of them correct, and one of .9.
    """
    got = CalibrationBin.from_pairs(cells_of([0.1, 0.9, 0.3], [1, 1, 0]), np.array([0, 1, 0]))

    assert got == (CalibrationBin(2, 0.2, 0.5), CalibrationBin(1, 0.9, 1.0))


def test_calibration_gaps_by_hand():
    """
    The lower bin is .1 too high for one cell of three, the upper .4 and .6 too low for
    the other two; the resample has the second cell twice and the lower bin is empty.
    """
    cells = cells_of([0.6, 0.4, 0.1], [1, 1, 0], [[1, 1, 1], [1, 2, 0]])

    got = calibration_gaps(cells, np.array([1, 1, 0]))

    np.testing.assert_allclose(got, [[0.1 / 3, -1.0 / 3], [0, -1.6 / 3]])


def test_a_resample_without_cells_is_left_out():
    """
    Without any other resample there is no interval.
    """
    sample, other, nothing = [0.01, -0.03], [0.03, -0.03], [np.nan, np.nan]

    assert ece(np.array([sample, other, nothing])) == ece(np.array([sample, other]))
    assert math.isnan(ece(np.array([sample, nothing])).high)


@given(
    arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 5)), elements=st.floats(-1, 1))
)
def test_an_interval_includes_the_error(gap_rb):
    """
    Also if the error is larger in every resample; the lower end is never below 0.
    """
    got = ece(gap_rb)

    assert 0 <= got.low <= got.value <= got.high


@pytest.mark.parametrize("off", [0.0, 0.05])
def test_intervals_cover_the_true_error_at_the_nominal_rate(off):
    """
    A hundred evaluations of 200 questions, predicted perfectly or .05 too low; plain or
    bias-corrected percentiles would cover almost none of them.
    """
    rng, n_covered = np.random.default_rng(0), 0
    weights = bootstrap_weights(200, seed=0, n_replicates=300)
    for _ in range(100):
        p = rng.uniform(0.1, 0.9, 200)
        cells = cells_of(p, rng.random(200) < p + off, weights)
        interval = ece(calibration_gaps(cells, equal_mass_bins(p)))
        n_covered += interval.low <= off <= interval.high

    assert n_covered >= 93
