"""Maximum likelihood over questions, with the covariance of what is fitted."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from scope.arrays import FloatArray

STEP = 0.02
"""Distance of the differences that stand for derivatives; parameters are logarithms."""


def maximise(
    log_likelihood_q: Callable[[FloatArray], FloatArray], prior_sd_x: FloatArray
) -> FloatArray:
    """Return the parameters with the highest likelihood.

    A normal prior around 0 that is worth about one question keeps parameters finite that the
    data leave open.

    Parameters
    ----------
    log_likelihood_q : callable
        Maps parameters of shape (n_parameters,) to the log likelihood of every question.
    prior_sd_x : ndarray of shape (n_parameters,)
        Standard deviation of the prior.
    """

    def loss(value_x: FloatArray) -> float:
        penalty = 0.5 * np.square(value_x / prior_sd_x).sum()
        return float(penalty - log_likelihood_q(value_x).sum())

    limits = [(-4 * sd, 4 * sd) for sd in prior_sd_x]
    found = minimize(loss, np.zeros(len(prior_sd_x)), method="L-BFGS-B", bounds=limits)
    best_x: FloatArray = found.x
    return best_x


def covariance(
    log_likelihood_q: Callable[[FloatArray], FloatArray],
    best_x: FloatArray,
    prior_sd_x: FloatArray,
) -> FloatArray:
    """Return the covariance of the parameters that `maximise` finds.

    The sandwich ``H^-1 J H^-1``: the samples of one question depend on each other, questions do
    not.

    Returns
    -------
    ndarray of shape (n_parameters, n_parameters)
    """
    steps_xx = STEP * np.eye(len(best_x))
    slope_xq = np.array(
        [
            (log_likelihood_q(best_x + step_x) - log_likelihood_q(best_x - step_x)) / (2 * STEP)
            for step_x in steps_xx
        ]
    )
    bend_xx = np.array(
        [[_bend(log_likelihood_q, best_x, one, other) for other in steps_xx] for one in steps_xx]
    )
    prior_xx = np.diag(1 / np.square(prior_sd_x))
    inverse_xx = np.linalg.pinv(prior_xx - bend_xx)
    found_xx: FloatArray = inverse_xx @ (slope_xq @ slope_xq.T + prior_xx) @ inverse_xx
    return found_xx


def _bend(
    log_likelihood_q: Callable[[FloatArray], FloatArray],
    best_x: FloatArray,
    one_x: FloatArray,
    other_x: FloatArray,
) -> float:
    """Return a second derivative of the total."""
    corners = (
        sign * other_sign * log_likelihood_q(best_x + sign * one_x + other_sign * other_x).sum()
        for sign in (-1, 1)
        for other_sign in (-1, 1)
    )
    return float(sum(corners)) / (2 * STEP) ** 2


def shrink(value_m: FloatArray, sd_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shrink estimates towards their common mean, and return their standard deviations.

    Empirical Bayes: ``true_m ~ N(mu, tau^2)``, with the tau of DerSimonian and Laird. Estimates
    that differ no more than their errors all become mu; a single one stays.

    Parameters
    ----------
    value_m, sd_m : ndarray of shape (n_models,)
        Estimates and their standard errors, above 0 and finite.

    Examples
    --------
    >>> shrink(np.array([0.0, 1.0, 5.0]), np.array([1.0, 1.0, 1.0]))[0].round(2)
    array([0.29, 1.14, 4.57])
    """
    weight_m = sd_m**-2.0
    mean = (weight_m * value_m).sum() / weight_m.sum()
    excess = (weight_m * np.square(value_m - mean)).sum() - (len(value_m) - 1)
    room = weight_m.sum() - np.square(weight_m).sum() / weight_m.sum()
    between = max(excess / room, 0.0) if len(value_m) > 1 else 0.0
    weight_m = 1 / (sd_m**2 + between)
    mean = (weight_m * value_m).sum() / weight_m.sum()
    pull_m = sd_m**2 * weight_m
    variance_m = (1 - pull_m) * sd_m**2 + pull_m**2 / weight_m.sum()
    return pull_m * mean + (1 - pull_m) * value_m, np.sqrt(variance_m)
