"""Bins of a reliability diagram, and the expected calibration error."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation.bootstrap import PERCENTILES, Interval
from scope.evaluation.weighted import WeightedPairs, safe_ratio

N_BINS = 15


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Forecasts of about the same probability: their mean and the share of correct answers."""

    n: int
    mean_p: float
    share_correct: float

    @classmethod
    def from_pairs(cls, cells: WeightedPairs, bin_n: IntArray) -> tuple["CalibrationBin", ...]:
        """Return every bin, from the lowest forecast to the highest."""
        size_h = np.bincount(bin_n)
        p_h, share_h = (
            np.bincount(bin_n, value_n) / size_h for value_n in (cells.forecast_n, cells.outcome_n)
        )
        rows = zip(size_h.tolist(), p_h.tolist(), share_h.tolist(), strict=True)
        return tuple(cls(*row) for row in rows)


def equal_mass_bins(p_n: FloatArray, n_bins: int = N_BINS) -> IntArray:
    """Cut forecasts at their quantiles into bins of about equal size.

    Equal forecasts share a bin, so that the order of questions has no effect; bins
    that are empty because of ties are left out.

    Returns
    -------
    ndarray of shape (n_cells,)
        Index of the bin of each forecast, from the lowest.

    Examples
    --------
    >>> equal_mass_bins(np.array([0.1, 0.2, 0.2, 0.9]), 2)
    array([0, 0, 0, 1])
    """
    levels = np.arange(1, n_bins) / n_bins
    edges = np.quantile(p_n, levels, method="inverted_cdf")
    _, bin_n = np.unique(np.searchsorted(edges, p_n, side="left"), return_inverse=True)
    return np.asarray(bin_n, dtype=np.int64)


def calibration_gaps(cells: WeightedPairs, bin_n: IntArray) -> FloatArray:
    """Return mean forecast minus mean outcome of each bin, times the bin's share of all cells.

    Returns
    -------
    ndarray of shape (n_replicates + 1, n_bins)
        The bins are the same in every resample. NaN where no cell is drawn.
    """
    error_n = cells.forecast_n - cells.outcome_n
    gap_rb = np.stack([cells.total(error_n * (bin_n == b)) for b in range(bin_n.max() + 1)], axis=1)
    n_r1 = cells.total(np.ones(len(error_n)))[:, None]
    return safe_ratio(gap_rb, np.broadcast_to(n_r1, gap_rb.shape))


def ece(gap_rb: FloatArray) -> Interval:
    """Return the expected calibration error, the mean gap of the bins, with its interval.

    Chance alone makes gaps: the error of a sample lies above the true error, and the
    error of a resample lies higher still, often in all resamples. Both ends of
    `Interval.from_replicates` would be too high. Here the upper end is the plain
    percentile, which this bias makes conservative. The lower end lies below the value
    by the same percentile of the change of the gaps from sample to resample, summed
    over bins, and is at least 0. By the triangle inequality the error cannot change by
    more than the gaps do, so the interval covers the true error of perfect forecasts,
    0, as often as stated.

    Parameters
    ----------
    gap_rb : ndarray of shape (n_replicates + 1, n_bins)
        As `calibration_gaps` returns them.

    Examples
    --------
    >>> f"{ece(np.array([[0.01, -0.03], [0.03, -0.03], [0.03, -0.03]])):.2f}"
    '0.04 (0.02 to 0.06)'
    """
    value, drawn_rb = float(np.abs(gap_rb[0]).sum()), gap_rb[1:]
    drawn_rb = drawn_rb[~np.isnan(drawn_rb).any(axis=1)]
    if not len(drawn_rb):
        return Interval(value, np.nan, np.nan)
    change, high = (
        float(np.quantile(np.abs(gap_rb).sum(axis=1), PERCENTILES[1]))
        for gap_rb in (drawn_rb - gap_rb[0], drawn_rb)
    )
    return Interval(value, max(value - change, 0.0), max(high, value))
