"""How far foretold answer lengths are off."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.bootstrap import Interval
from scope.cells import WeightedPairs

ROUNDING = 1e-9
"""A sum of weights this near to half of them all is half of them."""


@dataclass(frozen=True, slots=True)
class TokenCountError:
    """How far foretold completion tokens are off, as medians; NaN if no length is known."""

    n: int
    tokens: Interval
    """Median distance, tokens."""
    relative: Interval
    """Median distance as a share of the real length, over answers of at least one token."""

    @classmethod
    def from_pairs(cls, cells: WeightedPairs) -> "TokenCountError":
        """Measure forecasts of length, in tokens."""
        off_n = np.abs(cells.forecast_n - cells.outcome_n)
        relative_n = np.full_like(off_n, np.nan)
        np.divide(off_n, cells.outcome_n, out=relative_n, where=cells.outcome_n > 0)
        return cls(
            len(off_n),
            Interval.from_replicates(weighted_medians(cells, off_n)),
            Interval.from_replicates(weighted_medians(cells, relative_n)),
        )


def weighted_medians(cells: WeightedPairs, value_n: FloatArray) -> FloatArray:
    """Return the weighted median of a number of each cell in every resample.

    Where the lower half ends between two values it is the mean of both, as ever.

    Parameters
    ----------
    cells : WeightedPairs
    value_n : ndarray of shape (n_cells,)
        NaN is left out.

    Returns
    -------
    ndarray of shape (n_replicates + 1,)
        NaN where no cell is drawn.

    Examples
    --------
    >>> cells = WeightedPairs(np.zeros(3), np.zeros(3), np.arange(3), np.array([[1.0, 1, 1], [2, 0, 2]]))
    >>> weighted_medians(cells, np.array([10.0, 20.0, 90.0]))
    array([20., 50.])
    """
    order = np.argsort(value_n)[: np.count_nonzero(~np.isnan(value_n))]  # NaN sorts last
    if not order.size:
        return np.full(len(cells.weight_rq), np.nan)
    return np.concatenate([_medians(one, value_n[order]) for one in cells.blocks(order)])


def _medians(weight_rn: FloatArray, rising_n: FloatArray) -> FloatArray:
    upto_rn = np.cumsum(weight_rn, axis=1)
    total_r1 = upto_rn[:, -1:]
    lower_r, upper_r = (
        (upto_rn > (0.5 + side * ROUNDING) * total_r1).argmax(axis=1) for side in (-1, 1)
    )
    middle_r = (rising_n[lower_r] + rising_n[upper_r]) / 2
    return np.where(total_r1[:, 0] > 0, middle_r, np.nan)
