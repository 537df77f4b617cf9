"""How often a selector's pick is correct when k of n samples are."""

import math

import numpy as np
from scipy.special import gammaln

from scope.arrays import FloatArray


def scored_shares(n_samples: int, odds: float, exponent: float = 1.0) -> FloatArray:
    """Return the chance that the sample with the highest score is a correct one.

    ``share(k) = w k^gamma / (w k^gamma + (n - k)^gamma)`` for k = 1..n. With ``gamma = 1`` it is
    exact for a selector whose score is ``delta * correct + Gumbel noise`` (Plackett-Luce, the
    model that matches the logistic loss of a reward model). Below 1 copies of an answer add
    less: a reward model gives equal texts equal scores.

    Parameters
    ----------
    n_samples : int
    odds : float
        ``w`` in [0, inf]; infinity is a perfect verifier.
    exponent : float
        ``gamma`` above 0.

    Returns
    -------
    ndarray of shape (n_samples,)

    Examples
    --------
    >>> scored_shares(3, 2.0).round(3)
    array([0.5, 0.8, 1. ])
    """
    if math.isinf(odds):
        return np.ones(n_samples)
    right_n = odds * np.arange(1.0, n_samples + 1) ** exponent
    wrong_n = np.arange(n_samples - 1.0, -1, -1) ** exponent
    shares_n: FloatArray = right_n / np.maximum(right_n + wrong_n, np.finfo(np.float64).tiny)
    return shares_n


def majority_shares(n_samples: int, odds: float, diversity: float) -> FloatArray:
    """Return the chance that the most frequent of n answers is the correct one.

    Correct samples agree. The ``n - k`` wrong ones form groups of equal answers by Ewens'
    formula: one more wrong sample gives a new answer with the chance ``alpha / (alpha + i)``
    after i others, or else repeats one of theirs. With ``t`` wrong groups as large as the
    correct one, and none larger, the correct answer wins with the chance ``w / (w + t)``::

        share(k) = sum_t P(no group above k, t of size k | n - k, alpha) * w / (w + t)

    Parameters
    ----------
    n_samples : int
    odds : float
        ``w`` of the correct answer in a tie: 1 unless wrong samples often have no answer.
    diversity : float
        ``alpha`` above 0: near 0 all wrong samples agree, at large values none do.

    Returns
    -------
    ndarray of shape (n_samples,)
        For k = 1..n; 1 above ``n / 2``.

    Examples
    --------
    >>> majority_shares(3, 1.0, 1.0).round(3)  # two wrong answers differ in half of the cases
    array([0.167, 1.   , 1.   ])
    """
    shares_n = np.ones(n_samples)
    earlier = np.arange(n_samples - 1)
    log_total = np.concatenate([[0.0], np.log((diversity + earlier) / (earlier + 1)).cumsum()])
    for n_correct in range(1, n_samples // 2 + 1):
        n_wrong = n_samples - n_correct
        below = _largest_below(n_correct, n_wrong, diversity, log_total)
        tied = np.arange(n_wrong // n_correct + 1)
        rest = n_wrong - n_correct * tied
        log_ways = tied * math.log(diversity / n_correct) - gammaln(tied + 1)
        chance = below[rest] * np.exp(log_ways + log_total[rest] - log_total[n_wrong])
        shares_n[n_correct - 1] = chance @ (odds / (odds + tied))
    return np.minimum(shares_n, 1.0)


def _largest_below(limit: int, n_wrong: int, diversity: float, log_total: FloatArray) -> FloatArray:
    """Return, for 0..n_wrong samples, the chance that no group reaches `limit` samples.

    By the size of the group of the last sample, which has i of s samples with the chance
    ``alpha / s * total[s - i] / total[s]``.
    """
    below = np.zeros(n_wrong + 1)
    below[0] = 1.0
    for s in range(1, n_wrong + 1):
        rest = s - np.arange(1, min(limit - 1, s) + 1)
        below[s] = diversity / s * (np.exp(log_total[rest] - log_total[s]) @ below[rest])
    return below
