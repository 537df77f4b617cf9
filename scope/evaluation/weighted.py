"""Weighted statistics of forecasts and outcomes: means, medians, AUC, length errors."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation.bootstrap import Interval

BLOCK_SIZE = 2**18
"""Numbers of a block: few enough to fit in the CPU cache."""


@dataclass(frozen=True, slots=True)
class WeightedPairs:
    """The (question, model) cells with a known forecast and outcome.

    Attributes
    ----------
    forecast_n, outcome_n : ndarray of shape (n_cells,)
        In the same unit: a probability and 0 to 1, or two counts of tokens.
    question_n : ndarray of shape (n_cells,)
        Column of the weights: all cells of a question have its weight.
    weight_rq : ndarray of shape (n_replicates + 1, n_questions)
        As returned by `scope.evaluation.bootstrap.bootstrap_weights`.
    """

    forecast_n: FloatArray
    outcome_n: FloatArray
    question_n: IntArray
    weight_rq: FloatArray

    @classmethod
    def from_forecasts(
        cls, forecast_qm: FloatArray, outcome_qm: FloatArray, weight_rq: FloatArray
    ) -> "WeightedPairs":
        """Keep the cells where neither forecast nor outcome is NaN."""
        known_qm = ~np.isnan(forecast_qm + outcome_qm)
        question_n, _ = np.nonzero(known_qm)
        return cls(forecast_qm[known_qm], outcome_qm[known_qm], question_n, weight_rq)

    def total(self, value_n: FloatArray) -> FloatArray:
        """Return the weighted sum of a value of each cell, by resample."""
        n_questions = self.weight_rq.shape[1]
        # Sum within each question first: the product is then over questions, not cells.
        total_r: FloatArray = self.weight_rq @ np.bincount(self.question_n, value_n, n_questions)
        return total_r

    def mean(self, value_n: FloatArray) -> FloatArray:
        """Return the weighted mean by resample; NaN where no cell is drawn."""
        return safe_ratio(self.total(value_n), self.total(np.ones(len(value_n))))

    def blocks(self, order_n: IntArray) -> Iterator[FloatArray]:
        """Yield the weights of cells in the given order, a few resamples at a time.

        Yields
        ------
        ndarray of shape (n_rows, n_cells)
        """
        n_rows = max(1, BLOCK_SIZE // len(order_n))
        for start in range(0, len(self.weight_rq), n_rows):
            yield self.weight_rq[start : start + n_rows][:, self.question_n[order_n]]


def safe_ratio(part_r: FloatArray, whole_r: FloatArray) -> FloatArray:
    """Divide; NaN where the denominator is 0."""
    ratio_r = np.full_like(part_r, np.nan)
    np.divide(part_r, whole_r, out=ratio_r, where=whole_r > 0)
    return ratio_r


ROUNDING = 1e-9
"""Relative tolerance within which a sum of weights counts as half of the total."""


@dataclass(frozen=True, slots=True)
class TokenCountError:
    """Median errors of predicted completion tokens; NaN if no length is known."""

    n: int
    tokens: Interval
    """Median absolute error, tokens."""
    relative: Interval
    """Median absolute error as a share of the true length, over answers of at least one token."""

    @classmethod
    def from_pairs(cls, cells: WeightedPairs) -> "TokenCountError":
        """Measure forecasts of length, in tokens."""
        error_n = np.abs(cells.forecast_n - cells.outcome_n)
        relative_n = np.full_like(error_n, np.nan)
        np.divide(error_n, cells.outcome_n, out=relative_n, where=cells.outcome_n > 0)
        return cls(
            len(error_n),
            Interval.from_replicates(weighted_medians(cells, error_n)),
            Interval.from_replicates(weighted_medians(cells, relative_n)),
        )


def weighted_medians(cells: WeightedPairs, value_n: FloatArray) -> FloatArray:
    """Return the weighted median of a value of each cell in every resample.

    Where the lower half ends between two values it is the mean of both.

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
    >>> weight_rq = np.array([[1.0, 1, 1], [2, 0, 2]])
    >>> cells = WeightedPairs(np.zeros(3), np.zeros(3), np.arange(3), weight_rq)
    >>> weighted_medians(cells, np.array([10.0, 20.0, 90.0]))
    array([20., 50.])
    """
    order = np.argsort(value_n)[: np.count_nonzero(~np.isnan(value_n))]  # NaN sorts last
    if not order.size:
        return np.full(len(cells.weight_rq), np.nan)
    return np.concatenate([_medians(block, value_n[order]) for block in cells.blocks(order)])


def _medians(weight_rn: FloatArray, rising_n: FloatArray) -> FloatArray:
    cumulative_rn = np.cumsum(weight_rn, axis=1)
    total_r1 = cumulative_rn[:, -1:]
    lower_r, upper_r = (
        (cumulative_rn > (0.5 + side * ROUNDING) * total_r1).argmax(axis=1) for side in (-1, 1)
    )
    middle_r = (rising_n[lower_r] + rising_n[upper_r]) / 2
    return np.where(total_r1[:, 0] > 0, middle_r, np.nan)


def auc(cells: WeightedPairs) -> FloatArray:
    """Return the area under the ROC curve in every resample; ties count half.

    An answer of partial credit ``c`` counts as ``c`` correct and ``1 - c`` wrong answers.

    Returns
    -------
    ndarray of shape (n_replicates + 1,)
        NaN where all answers are correct, or all wrong: there is no pair to compare.

    Examples
    --------
    >>> p, correct = np.array([0.9, 0.6, 0.6, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    >>> auc(WeightedPairs(p, correct, np.arange(4), np.array([[1.0, 1, 1, 1], [1, 3, 0, 2]])))
    array([0.875, 1.   ])
    """
    order = np.argsort(cells.forecast_n, kind="stable")
    correct_n = cells.outcome_n[order]
    starts = np.flatnonzero(np.diff(cells.forecast_n[order], prepend=-np.inf) > 0)
    blocks = [_auc(weight_rn, correct_n, starts) for weight_rn in cells.blocks(order)]
    return np.concatenate(blocks)


def _auc(weight_rn: FloatArray, correct_n: FloatArray, starts: IntArray) -> FloatArray:
    """Count concordant pairs; cells are sorted, groups of equal forecasts begin at `starts`."""
    correct_rt, wrong_rt = weight_rn * correct_n, weight_rn * (1 - correct_n)
    if len(starts) < len(correct_n):  # ties are rare, and summing groups is slow
        correct_rt = np.add.reduceat(correct_rt, starts, axis=1)
        wrong_rt = np.add.reduceat(wrong_rt, starts, axis=1)
    cumulative_rt = np.cumsum(wrong_rt, axis=1)
    concordant_r = np.einsum("rt,rt->r", correct_rt, cumulative_rt - wrong_rt / 2)
    return safe_ratio(concordant_r, correct_rt.sum(axis=1) * cumulative_rt[:, -1])
