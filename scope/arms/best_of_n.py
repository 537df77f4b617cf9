"""Probability that the best of n samples is correct, and weights of ranked samples."""

import math

import numpy as np
from scipy.special import comb

from scope.arms.shares import majority_shares, scored_shares
from scope.arrays import FloatArray
from scope.pool import Resampling


def best_of_n_probability(
    p_correct: FloatArray,
    n_samples: int,
    concentration: FloatArray | float,
    odds: float,
    exponent: float = 1.0,
    diversity: float | None = None,
) -> FloatArray:
    """Return the probability that a selector's pick among n samples is correct.

    The success rate of a question is ``theta ~ Beta(kappa p, kappa (1 - p))``, so that k of n
    samples are correct with the Beta-Binomial probability ``BB(k)``::

        P = sum_{k=1..n} BB(k) * share(k)

    Parameters
    ----------
    p_correct : ndarray of any shape
        Probability that one sample is correct, in [0, 1]; NaN stays NaN.
    n_samples : int
        At least 1; 1 gives `p_correct` itself.
    concentration : ndarray or float
        ``kappa`` in [0, inf], of a shape that broadcasts to `p_correct`. Near 0 a question is
        always or never solved, so that another sample does not help; at infinity the samples
        are independent.
    odds : float
        ``w = AUC / (1 - AUC)`` of the selector within a question, in [0, inf]: 1 picks at
        random, infinity is a perfect verifier (then P is pass@n).
    exponent : float
        ``gamma`` of a selector with scores: see `scope.arms.scored_shares`.
    diversity : float or None
        ``alpha`` of the wrong answers: the selector is a majority, see
        `scope.arms.majority_shares`, and has no exponent. None for a selector with scores.

    Returns
    -------
    ndarray of the shape of `p_correct`

    Notes
    -----
    More samples never hurt with scores, ``gamma = 1`` and ``w >= 1``. A majority can lose: on a
    question that is mostly answered wrong, in one way.

    Examples
    --------
    >>> best_of_n_probability(np.array([0.3, 0.5]), 5, 2.0, 3.0).round(3)  # AUC .75
    array([0.425, 0.639])
    """
    if n_samples == 1:
        return np.array(p_correct, dtype=np.float64)
    if diversity is None:
        shares_n = scored_shares(n_samples, odds, exponent)
    else:
        shares_n = majority_shares(n_samples, odds, diversity)
    p, kappa = np.broadcast_arrays(np.asarray(p_correct, dtype=np.float64), concentration)
    total = np.zeros(p.shape)
    for n_correct, share in enumerate(shares_n.tolist(), start=1):
        total += share * _beta_binomial(n_correct, n_samples, p, kappa)
    return np.minimum(total, 1.0)


def resampled_probability(
    p_correct: FloatArray, n_samples: int, resampling: Resampling
) -> FloatArray:
    """Return `best_of_n_probability` for what is known of a model's samples."""
    return best_of_n_probability(
        p_correct,
        n_samples,
        resampling.concentration,
        resampling.odds,
        resampling.exponent,
        resampling.diversity,
    )


def pass_at_n(
    p_correct: FloatArray, n_samples: int, concentration: FloatArray | float
) -> FloatArray:
    """Return the probability that at least one of n samples is correct."""
    return best_of_n_probability(p_correct, n_samples, concentration, math.inf)


def _beta_binomial(n_correct: int, n_samples: int, p: FloatArray, kappa: FloatArray) -> FloatArray:
    """Return the probability of exactly `n_correct` correct samples.

    The Polya urn: the i-th sample is correct with probability ``(kappa p + correct so far) /
    (kappa + i)``. The ratios stay in [0, 1], where Beta functions of a large kappa cancel.
    """
    probability = np.full(p.shape, float(comb(n_samples, n_correct, exact=True)))
    independent = np.isinf(kappa)
    finite = np.where(independent, 1.0, kappa)
    for i in range(n_samples):
        correct = i < n_correct
        before = i if correct else i - n_correct
        share = p if correct else 1 - p
        # The first sample has no urn yet: 0 / 0 at kappa = 0.
        ratio = share if i == 0 else (finite * share + before) / (finite + i)
        probability = probability * np.where(independent, share, ratio)
    return probability


def rank_weights(n_samples: int, n_drawn: int) -> FloatArray:
    """Return the probability that each rank is the best of a subset drawn at random.

    ``w_r = C(r - 1, n - 1) / C(N, n)`` for rank r of N samples in ascending order of score,
    where n of them are drawn without replacement.

    Parameters
    ----------
    n_samples : int
        N, at least 1.
    n_drawn : int
        n in 1..N.

    Returns
    -------
    ndarray of shape (n_samples,)
        Sums to 1.

    Examples
    --------
    >>> rank_weights(4, 2).tolist()
    [0.0, 0.16666666666666666, 0.3333333333333333, 0.5]
    """
    if not 1 <= n_drawn <= n_samples:
        raise ValueError(f"n_drawn must be within 1..{n_samples}, got {n_drawn}")
    ranks = np.arange(n_samples)
    weights: FloatArray = comb(ranks, n_drawn - 1) / comb(n_samples, n_drawn)
    return weights
