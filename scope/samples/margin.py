"""The margin t* by which an arm may be worse: that of the widest labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.samples.best_of_n import expected
from scope.samples.matching import mean_known, sample_matches

N_QUANTILES = 50
TOP_QUANTILE = 0.995
TOLERANCE = 0.01
"""Of two margins whose objectives differ by less than this share, the smaller is better."""

MAX_GAPS = 2_000_000
"""Pairs of samples from which quantiles are taken; more are thinned evenly."""


@dataclass(frozen=True, slots=True)
class MatchMargin:
    """The chosen margin, and what it does to the labels.

    Attributes
    ----------
    margin : float
        t*, in the unit of the scores, at least 0.
    spread : float
        Mean absolute difference of two prompts' labels at t*.
    spread_at_zero : float
        The same at margin 0.
    note : str
        Why no margin helps; empty if one does.
    """

    margin: float
    spread: float
    spread_at_zero: float
    note: str = ""


def best_match_margin(
    score_qmo: FloatArray, reference_qo: FloatArray, weight_qmo: FloatArray | None = None
) -> MatchMargin:
    """Return t*, the smallest margin within 1 % of the widest labels.

    ``t* = argmax_t mean_{q,q'} |y_q(t) - y_q'(t)|``, averaged over arms, on the grid of 0 and
    50 quantiles of the positive gaps ``b_j - a_i``. Pass training prompts only.

    Parameters
    ----------
    score_qmo, reference_qo, weight_qmo
        As in `match_labels`.

    Notes
    -----
    The papers give neither a grid nor values of t*. With one sample that is 0 or 1, a margin
    below 1 changes no label and one of 1 makes every label 1; the result then is 0, and says so.

    References
    ----------
    .. [1] "Hybrid LLM", arXiv:2404.14618, section 3.3.

    Examples
    --------
    >>> score = np.array([[[0.1]], [[0.2]], [[0.3]], [[0.4]]])
    >>> best_match_margin(score, np.full((4, 1), 0.5)).margin.__round__(2)
    0.2
    """

    def labels(margin: float) -> FloatArray:
        match_qmo = sample_matches(score_qmo, reference_qo, margin)
        return mean_known(match_qmo) if weight_qmo is None else expected(match_qmo, weight_qmo)

    return search_margin(score_qmo, reference_qo, labels)


def search_margin(
    score_qmo: FloatArray, reference_qo: FloatArray, labels: Callable[[float], FloatArray]
) -> MatchMargin:
    """Return t* of `best_match_margin` for labels that a function makes of a margin."""
    if _is_binary_single(score_qmo, reference_qo):
        spread = _spread(labels(0.0))
        note = (
            "scores are 0 or 1 with one sample of each model: a margin below 1 changes no label, "
            "and one of 1 makes all labels 1"
        )
        return MatchMargin(0.0, spread, spread, note)
    grid_t = _margins(score_qmo, reference_qo)
    spread_t = np.array([_spread(labels(float(t))) for t in grid_t])
    first = int(np.flatnonzero(spread_t >= (1 - TOLERANCE) * spread_t.max())[0])
    note = "" if first else "no margin makes the labels wider than a margin of 0"
    return MatchMargin(float(grid_t[first]), float(spread_t[first]), float(spread_t[0]), note)


def mean_difference(value_n: FloatArray) -> float:
    """Return the mean absolute difference of two values, each drawn from all of them.

    ``2 / N^2 * sum_i (2 i - N - 1) y_(i)`` with the values in ascending order; NaN is left out,
    and without a value the result is 0.

    Examples
    --------
    >>> mean_difference(np.array([0.0, 1.0, 1.0, 0.0]))
    0.5
    """
    ordered_n = np.sort(value_n[~np.isnan(value_n)])
    n = len(ordered_n)
    rank_n = 2 * np.arange(1, n + 1) - n - 1
    return 2 * float((rank_n * ordered_n).sum()) / max(n, 1) ** 2


def _spread(label_qm: FloatArray) -> float:
    """Return the mean difference of the labels of an arm, averaged over arms."""
    return float(np.mean([mean_difference(label_q) for label_q in label_qm.T]))


def _margins(score_qmo: FloatArray, reference_qo: FloatArray) -> FloatArray:
    """Return 0 and quantiles of the gaps by which the reference is better."""
    n_pairs = score_qmo.size * reference_qo.shape[1]
    step = max(1, -(-n_pairs // MAX_GAPS))
    gaps = reference_qo[::step, None, None, :] - score_qmo[::step, :, :, None]
    positive = gaps[gaps > 0]  # False at NaN
    if not positive.size:
        return np.zeros(1)
    quantiles_t = np.quantile(positive, np.linspace(0, TOP_QUANTILE, N_QUANTILES))
    return np.unique(np.concatenate([np.zeros(1), quantiles_t]))


def _is_binary_single(score_qmo: FloatArray, reference_qo: FloatArray) -> bool:
    values = np.concatenate([score_qmo.ravel(), reference_qo.ravel()])
    is_binary = np.isin(values[~np.isnan(values)], (0.0, 1.0)).all()
    most = max(
        (~np.isnan(score_qmo)).sum(axis=-1).max(initial=0),
        (~np.isnan(reference_qo)).sum(axis=-1).max(initial=0),
    )
    return bool(is_binary and most <= 1)
