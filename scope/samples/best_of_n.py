"""The best of n drawn samples: exact weights of samples instead of simulated draws."""

from collections.abc import Hashable, Sequence

import numpy as np

from scope.arms import rank_weights
from scope.arrays import FloatArray
from scope.errors import EvaluationError


def draw_weights(selector_qmo: FloatArray, n_drawn: int) -> FloatArray:
    """Return the probability that each sample is the best of n drawn without replacement.

    Samples are ranked by the score of the selector. Equal scores share the mean weight of their
    ranks: the selector breaks ties at random.

    Parameters
    ----------
    selector_qmo : ndarray of shape (..., n_samples)
        Scores of the samples; NaN where there is no sample.
    n_drawn : int
        At least 1; 1 gives every sample the same weight.

    Returns
    -------
    ndarray of the shape of `selector_qmo`
        0 where there is no sample; rows sum to 1, and are NaN with fewer than n samples.

    Examples
    --------
    >>> draw_weights(np.array([[0.1, 0.9, 0.5, np.nan]]), 2).round(3)
    array([[0.   , 0.667, 0.333, 0.   ]])
    """
    flat_no = selector_qmo.reshape(-1, selector_qmo.shape[-1])
    weight_no = np.full(flat_no.shape, np.nan)
    known_n = (~np.isnan(flat_no)).sum(axis=1)
    for n_known in np.unique(known_n):
        if n_known >= n_drawn:
            rows_n = np.flatnonzero(known_n == n_known)
            weight_no[rows_n] = _ranked_weights(flat_no[rows_n], int(n_known), n_drawn)
    return weight_no.reshape(selector_qmo.shape)


def _ranked_weights(score_no: FloatArray, n_known: int, n_drawn: int) -> FloatArray:
    """Return the weights of rows with the same number of samples."""
    order_no = np.argsort(score_no, axis=1, kind="stable")  # NaN comes last
    sorted_no = np.take_along_axis(score_no, order_no, axis=1)
    weight_no = np.zeros(score_no.shape)
    weight_no[:, :n_known] = rank_weights(n_known, n_drawn)
    is_new_no = np.ones(score_no.shape, dtype=bool)
    is_new_no[:, 1:] = sorted_no[:, 1:] != sorted_no[:, :-1]
    if not is_new_no.all():
        group_n = np.cumsum(is_new_no.ravel()) - 1
        mean_n = np.bincount(group_n, weight_no.ravel()) / np.bincount(group_n)
        weight_no = mean_n[group_n].reshape(score_no.shape)
    ranked_no = np.empty_like(weight_no)
    np.put_along_axis(ranked_no, order_no, weight_no, axis=1)
    return ranked_no


def check_judge(judge: str, selector: str | None) -> None:
    """Refuse to judge a selector by its own scores.

    Raises
    ------
    EvaluationError
        If both are the same scorer.
    """
    if judge == selector:
        raise EvaluationError(
            f"judge and selector are both {judge!r}: a selector is best by its own scores; judge "
            "it by a scorer that it was not trained on"
        )


def best_of_n_scores(score_qmo: FloatArray, selector_qmo: FloatArray, n_drawn: int) -> FloatArray:
    """Return the expected score of the sample that a selector picks among n drawn ones.

    ``E[n] = sum_r w_r(n) * score_(r)`` with the samples in the order of the selector.

    Parameters
    ----------
    score_qmo, selector_qmo : ndarray of shape (..., n_samples)
        A sample that lacks either is not drawn.
    n_drawn : int
        At least 1.

    Returns
    -------
    ndarray of shape (...)
        NaN with fewer than n samples.

    Examples
    --------
    >>> best_of_n_scores(np.array([[1.0, 0.0, 0.0]]), np.array([[0.9, 0.5, 0.1]]), 2).round(3)
    array([0.667])
    """
    known_qmo = ~np.isnan(score_qmo + selector_qmo)
    weight_qmo = draw_weights(np.where(known_qmo, selector_qmo, np.nan), n_drawn)
    return expected(score_qmo, weight_qmo)


def expected(value_qmo: FloatArray, weight_qmo: FloatArray) -> FloatArray:
    """Return the weighted sum over samples; a value without weight may be NaN."""
    used_qmo = np.where(weight_qmo == 0, 0.0, value_qmo)
    total: FloatArray = (used_qmo * weight_qmo).sum(axis=-1)
    return total


def majority(answers: Sequence[Hashable | None]) -> int | None:
    """Return the first sample that gives the most frequent answer; None if none gives one.

    Parameters
    ----------
    answers : sequence
        Extracted answers of the samples; None where there is none. Of answers that are equally
        frequent, the one that came first wins.

    Examples
    --------
    >>> majority(["4", None, "5", "5"]), majority([None])
    (2, None)
    """
    given = [answer for answer in answers if answer is not None]
    if not given:
        return None
    most = max(dict.fromkeys(given), key=given.count)
    return answers.index(most)
