"""The credible interval of a probability of correctness."""

import numpy as np
from scipy.special import betaincinv

from scope.arrays import FloatArray
from scope.forecast import Forecast

INTERVAL = (0.05, 0.95)
"""Levels of the ends: 90 % between them."""


def credible_interval(forecast: Forecast, strength_qm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the 90 % credible interval of Beta posteriors.

    Parameters
    ----------
    forecast : Forecast
        Its probabilities are the means.
    strength_qm : ndarray of shape (n_questions, n_models)
        Strength in anchors; reduced for out-of-distribution questions.
    """
    in_distribution_q1 = np.nan_to_num(forecast.in_distribution_q, nan=1.0)[:, None]
    n_qm, p_qm = strength_qm * in_distribution_q1, forecast.p_correct_qm
    # Both parameters of a Beta distribution must be positive.
    correct_qm, wrong_qm = (np.maximum(n_qm * p, 1e-3) for p in (p_qm, 1 - p_qm))
    low_qm, high_qm = (betaincinv(correct_qm, wrong_qm, level) for level in INTERVAL)
    return np.minimum(low_qm, p_qm), np.maximum(high_qm, p_qm)
