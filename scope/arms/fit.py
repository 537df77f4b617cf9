"""Fit what best of n depends on, from several graded samples of each question."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln

from scope.arrays import FloatArray

LOG_CONCENTRATION = (-6.0, 7.0)
"""Range that is searched: at the ends, samples are as good as equal or independent."""


def fit_concentration(p_correct_q: FloatArray, correct_qo: FloatArray) -> float:
    """Return the concentration with the highest Beta-Binomial likelihood.

    A question's success rate is ``theta ~ Beta(kappa p, kappa (1 - p))`` with p given. Kappa
    belongs to the predictor of p, the model and its temperature: fit it again if one changes.

    Parameters
    ----------
    p_correct_q : ndarray of shape (n_questions,)
        Probability that one sample is correct, in (0, 1), from a prediction that has not seen
        these samples.
    correct_qo : ndarray of shape (n_questions, n_samples)
        1 or 0; NaN where there is no sample. Questions with one sample tell nothing.

    Returns
    -------
    float
        ``kappa``, within the exponential of `LOG_CONCENTRATION`.
    """

    def loss(log_concentration: float) -> float:
        return -float(
            beta_binomial_log_likelihood(log_concentration, p_correct_q, correct_qo).sum()
        )

    found = minimize_scalar(loss, bounds=LOG_CONCENTRATION, method="bounded")
    return float(np.exp(found.x))


def beta_binomial_log_likelihood(
    log_concentration: float, p_correct_q: FloatArray, correct_qo: FloatArray
) -> FloatArray:
    """Return the log likelihood of every question's samples, up to a constant."""
    n_correct_q = np.nansum(correct_qo, axis=1)
    n_wrong_q = (~np.isnan(correct_qo)).sum(axis=1) - n_correct_q
    a_q = np.exp(log_concentration) * p_correct_q
    b_q = np.exp(log_concentration) * (1 - p_correct_q)
    likelihood_q: FloatArray = betaln(a_q + n_correct_q, b_q + n_wrong_q) - betaln(a_q, b_q)
    return likelihood_q


def within_question_auc(correct_qo: FloatArray, score_qo: FloatArray) -> float:
    """Return how often a selector scores a correct sample above a wrong one of its question.

    Pairs across questions are left out: a selector that only tells easy questions from hard ones
    does not help to choose among samples. Equal scores count half.

    Parameters
    ----------
    correct_qo : ndarray of shape (n_questions, n_samples)
        1 or 0; NaN where there is no sample.
    score_qo : ndarray of shape (n_questions, n_samples)
        Scores of the selector; NaN where there is none.

    Returns
    -------
    float
        In [0, 1]; NaN where no question has both correct and wrong samples.

    Examples
    --------
    >>> within_question_auc(np.array([[1.0, 0.0, 0.0]]), np.array([[0.5, 0.1, 0.5]]))
    0.75
    """
    wins_q, pairs_q = pair_wins(correct_qo, score_qo)
    n_pairs = pairs_q.sum()
    return float(wins_q.sum() / n_pairs) if n_pairs else float("nan")


def pair_wins(correct_qo: FloatArray, score_qo: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return, by question, how many pairs of a correct and a wrong sample are won, and all."""
    known_qo = ~np.isnan(correct_qo + score_qo)
    score_qo = np.where(known_qo, score_qo, 0.0)
    right_qo, wrong_qo = known_qo & (correct_qo > 0.5), known_qo & (correct_qo <= 0.5)
    pair_qoo = right_qo[:, :, None] & wrong_qo[:, None, :]
    above_qoo = score_qo[:, :, None] - score_qo[:, None, :]
    ties_qoo = pair_qoo & (above_qoo == 0)
    wins_q: FloatArray = (pair_qoo & (above_qoo > 0)).sum((1, 2)) + 0.5 * ties_qoo.sum((1, 2))
    return wins_q, pair_qoo.sum((1, 2)).astype(np.float64)
