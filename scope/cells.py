"""Forecasts beside what came of them, weighed anew in every resample of the questions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray

AT_ONCE = 2**18
"""Numbers of a block: few enough to stay in the cache, where work on them is fastest."""


@dataclass(frozen=True, slots=True)
class WeightedPairs:
    """The (question, model) cells whose forecast and outcome are known.

    Attributes
    ----------
    forecast_n, outcome_n : ndarray of shape (n_cells,)
        In one unit: a probability and 0 to 1, or two counts of tokens.
    question_n : ndarray of shape (n_cells,)
        Column of the weights: the cells of one question come and go together.
    weight_rq : ndarray of shape (n_replicates + 1, n_questions)
        As `scope.bootstrap.resamples` draws them.
    """

    forecast_n: FloatArray
    outcome_n: FloatArray
    question_n: IntArray
    weight_rq: FloatArray

    @classmethod
    def from_forecasts(
        cls, forecast_qm: FloatArray, outcome_qm: FloatArray, weight_rq: FloatArray
    ) -> "WeightedPairs":
        """Leave out the cells where forecast or outcome is NaN."""
        known_qm = ~np.isnan(forecast_qm + outcome_qm)
        question_n, _ = np.nonzero(known_qm)
        return cls(forecast_qm[known_qm], outcome_qm[known_qm], question_n, weight_rq)

    def total(self, value_n: FloatArray) -> FloatArray:
        """Return the weighted sum of a number of each cell, by resample."""
        n_questions = self.weight_rq.shape[1]
        # Sums of a question first: one product instead of as many terms as cells.
        total_r: FloatArray = self.weight_rq @ np.bincount(self.question_n, value_n, n_questions)
        return total_r

    def mean(self, value_n: FloatArray) -> FloatArray:
        """Return the weighted mean by resample; NaN where none of the cells is drawn."""
        return safe_ratio(self.total(value_n), self.total(np.ones(len(value_n))))

    def blocks(self, order_n: IntArray) -> Iterator[FloatArray]:
        """Yield the weights of the cells in an order, a few resamples at a time.

        Yields
        ------
        ndarray of shape (n_rows, n_cells)
        """
        n_rows = max(1, AT_ONCE // len(order_n))
        for start in range(0, len(self.weight_rq), n_rows):
            yield self.weight_rq[start : start + n_rows][:, self.question_n[order_n]]


def safe_ratio(part_r: FloatArray, whole_r: FloatArray) -> FloatArray:
    """Divide; NaN where there is nothing to divide by."""
    ratio_r = np.full_like(part_r, np.nan)
    np.divide(part_r, whole_r, out=ratio_r, where=whole_r > 0)
    return ratio_r
