"""Area under the ROC curve: whether right answers were thought likelier than wrong ones."""

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.cells import WeightedPairs, safe_ratio


def auc(cells: WeightedPairs) -> FloatArray:
    """Return the area under the ROC curve in every resample; ties count half.

    An answer of part credit ``c`` counts as ``c`` right and ``1 - c`` wrong answers.

    Returns
    -------
    ndarray of shape (n_replicates + 1,)
        NaN where all answers are right, or all wrong: no pair can be compared.

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
    """Count pairs in order; cells are sorted, equal forecasts begin at `starts`."""
    right_rt, wrong_rt = weight_rn * correct_n, weight_rn * (1 - correct_n)
    if len(starts) < len(correct_n):  # rarely are there ties, and adding them up takes time
        right_rt = np.add.reduceat(right_rt, starts, axis=1)
        wrong_rt = np.add.reduceat(wrong_rt, starts, axis=1)
    upto_rt = np.cumsum(wrong_rt, axis=1)
    in_order_r = np.einsum("rt,rt->r", right_rt, upto_rt - wrong_rt / 2)
    return safe_ratio(in_order_r, right_rt.sum(axis=1) * upto_rt[:, -1])
