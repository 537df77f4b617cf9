"""What forecasts say of the differences between models, which alone decide a choice."""

import numpy as np

from scope.arrays import FloatArray


def difference_r2(
    p_correct_qm: FloatArray, correct_qm: FloatArray, weight_rq: FloatArray
) -> FloatArray:
    """Return the share of the variance of model differences that the forecasts explain.

    From forecasts and outcomes alike, first each question's mean over the models is taken away
    (how hard it is: it favours no model), then each model's mean over the questions (how good
    it is: a fixed order of the models knows it). ``1 - sum (d - f)^2 / sum d^2`` of what is left
    of the outcomes, ``d``, and of the forecasts, ``f``.

    Parameters
    ----------
    p_correct_qm, correct_qm : ndarray of shape (n_questions, n_models)
        NaN where unknown; a cell with either unknown is left out, as is a question with fewer
        than two known cells.
    weight_rq : ndarray of shape (n_resamples, n_questions)
        As returned by `scope.evaluation.bootstrap.bootstrap_weights`.

    Returns
    -------
    ndarray of shape (n_resamples,)
        At most 1; 0 for forecasts that tell no model from another by the question, below 0 where
        their differences are worse than none. NaN where the outcomes have no differences.

    Examples
    --------
    Right about which question suits which model, at half the size:

    >>> p, correct = np.array([[0.5, 0.0], [0.0, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> difference_r2(p, correct, np.array([[0.5, 0.5]]))
    array([0.75])
    """
    outcome_qm, forecast_qm = without_question_means(correct_qm, p_correct_qm)
    total_r, error_r = (
        _sum_of_squares(value_qm, weight_rq) for value_qm in (outcome_qm, outcome_qm - forecast_qm)
    )
    r2_r = np.full_like(total_r, np.nan)
    # Equal outcomes leave a difference of rounding alone.
    np.divide(error_r, total_r, out=r2_r, where=total_r > 1e-12)
    return 1 - r2_r


def difference_correlation(
    first_qm: FloatArray, second_qm: FloatArray, weight_rq: FloatArray
) -> FloatArray:
    """Return the correlation of two arrays of model differences, centred as in `difference_r2`.

    Parameters
    ----------
    first_qm, second_qm : ndarray of shape (n_questions, n_models)
        Such as the outcomes of two questions each that are nearly the same; NaN is left out.
    weight_rq : ndarray of shape (n_resamples, n_questions)

    Returns
    -------
    ndarray of shape (n_resamples,)
        In [-1, 1]; NaN where one of the two has no differences.

    Examples
    --------
    >>> first = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> second = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    >>> difference_correlation(first, second, np.full((1, 4), 0.25)).round(3)
    array([0.577])
    """
    first_qm, second_qm = without_question_means(first_qm, second_qm)
    both_r, first_r, second_r = (
        _sum_of_squares(value_qm, weight_rq)
        for value_qm in (first_qm + second_qm, first_qm, second_qm)
    )
    product_r = np.where((first_r > 1e-12) & (second_r > 1e-12), first_r * second_r, np.nan)
    correlation_r: FloatArray = (both_r - first_r - second_r) / (2 * np.sqrt(product_r))
    return correlation_r


def without_question_means(*value_qm: FloatArray) -> tuple[FloatArray, ...]:
    """Return arrays minus the mean of each question over the models that all of them know.

    NaN where one of them is unknown, and in a question with fewer than two known models.
    """
    known_qm = ~np.isnan(np.sum(value_qm, axis=0))
    known_qm &= known_qm.sum(axis=1, keepdims=True) > 1
    n_q1 = np.maximum(known_qm.sum(axis=1, keepdims=True), 1)
    centred = []
    for one_qm in value_qm:
        mean_q1 = np.where(known_qm, one_qm, 0).sum(axis=1, keepdims=True) / n_q1
        centred.append(np.where(known_qm, one_qm - mean_q1, np.nan))
    return tuple(centred)


def _sum_of_squares(value_qm: FloatArray, weight_rq: FloatArray) -> FloatArray:
    """Return the weighted sum of squares about each model's own weighted mean, by resample."""
    known_qm = ~np.isnan(value_qm)
    plain_qm = np.where(known_qm, value_qm, 0.0)
    total_rm, weight_rm = weight_rq @ plain_qm, weight_rq @ known_qm
    about_mean_rm = np.zeros_like(total_rm)
    np.divide(total_rm**2, weight_rm, out=about_mean_rm, where=weight_rm > 0)
    squares_r: FloatArray = (weight_rq @ plain_qm**2 - about_mean_rm).sum(axis=1)
    return squares_r
