"""A sequential test of predicted probabilities against scores, valid at any time.

Null hypothesis: given all scores before it, the expected score of an answer lies within a tolerance
of its predicted probability. Two gamblers bet against it, one on lower scores and one on higher
ones, as in Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting"
(JRSS B, 2024). Under the null hypothesis no bet has a gain in expectation, so that the wealth, the
*evidence*, is a non-negative supermartingale that starts at 1. By Ville's inequality the
probability that it *ever* reaches ``1 / alpha`` is at most alpha, however often it is looked at.

What is bet is a mixture, which is fixed in advance:

* over the fraction of the most that may be bet without ruin (`BETS`), as the best one depends on
  the size of the drift, and
* over the score from which on it is bet, because a model may change after thousands of good
  scores. Begin ``t`` (1, 2, …) has the weight ``1 / log2(t + 1) - 1 / log2(t + 2)``; the weights
  sum to 1, and that of later begins is kept as cash.
"""

import math
from typing import NamedTuple

import numpy as np

from scope.arrays import FloatArray

TOLERANCE = 0.05
"""No forecast is calibrated to the point: a difference up to this is no drift."""

FALSE_ALARM_RATE = 0.01
"""Largest probability of any false alarm, over all time and all streams tested together."""

BETS = np.array([0.05, 0.15, 0.4, 0.8])
"""Fractions of the most that may be bet; small ones find small differences."""


class CalibrationTest:
    """The evidence of drift in `n_streams` streams of scores, one score of each at a time.

    Parameters
    ----------
    n_streams : int, default=1

    Attributes
    ----------
    n_scores : int
        Scores added so far to each stream.
    """

    def __init__(self, n_streams: int = 1) -> None:
        self.n_scores = 0
        self._log_wealth_n2g = np.full((n_streams, 2, len(BETS)), -np.inf)

    def add(self, p_correct_n: FloatArray | float, score_n: FloatArray | float) -> None:
        """Add one score of each stream.

        Parameters
        ----------
        p_correct_n : float or ndarray of shape (n_streams,)
            Predicted before the score was known, in [0, 1].
        score_n : float or ndarray of shape (n_streams,)
            In [0, 1].
        """
        self.n_scores += 1
        weight = _cash(self.n_scores - 1) - _cash(self.n_scores)
        p_n, difference_n = np.asarray(p_correct_n), np.subtract(score_n, p_correct_n)
        # Gain per unit of bet, and the most that a unit can lose: expected gains are <= 0.
        gain_n2 = np.stack([-difference_n, difference_n], axis=-1) - TOLERANCE
        stake_n2 = np.stack([1 - p_n, p_n], axis=-1) + TOLERANCE
        growth_n2g = 1 + BETS * (gain_n2 / stake_n2)[..., None]
        wealth_n2g = np.logaddexp(self._log_wealth_n2g, math.log(weight))
        self._log_wealth_n2g = wealth_n2g + np.log(growth_n2g)

    @property
    def log_evidence_n(self) -> FloatArray:
        """Natural logarithm of the evidence of each stream, shape (n_streams,); 0 at the start."""
        invested_n: FloatArray = np.logaddexp.reduce(self._log_wealth_n2g, axis=(1, 2))
        invested_n -= math.log(self._log_wealth_n2g[0].size)
        evidence_n: FloatArray = np.logaddexp(invested_n, math.log(_cash(self.n_scores)))
        return evidence_n


def _cash(n_scores: int) -> float:
    """Return the weight of all begins after `n_scores` scores."""
    return 1 / math.log2(n_scores + 2)


class DriftAlarm(NamedTuple):
    """When a stream of scores left its predictions.

    Attributes
    ----------
    since : int
        Estimate of the first score of the change.
    raised : int
        Index of the score that raised the alarm.
    """

    since: int
    raised: int


def log_threshold(n_streams: int) -> float:
    """Return the logarithm of the evidence that is an alarm in one of `n_streams` streams.

    `FALSE_ALARM_RATE` is split evenly (Bonferroni), so that streams may depend on each other.

    Examples
    --------
    >>> round(math.exp(log_threshold(17)))
    1700
    """
    return math.log(n_streams / FALSE_ALARM_RATE)


def find_alarm(
    p_correct_n: FloatArray, score_n: FloatArray, log_limit: float
) -> tuple[DriftAlarm | None, float]:
    """Test the scores of one stream in order.

    Parameters
    ----------
    p_correct_n, score_n : ndarray of shape (n_scores,)
        In [0, 1], in the order in which the scores came.
    log_limit : float
        From `log_threshold`.

    Returns
    -------
    alarm : DriftAlarm or None
    log_evidence : float
        At the alarm, else at the end.
    """
    test, log_evidence = CalibrationTest(), 0.0
    for raised, (p_correct, score) in enumerate(zip(p_correct_n, score_n, strict=True)):
        test.add(p_correct, score)
        log_evidence = float(test.log_evidence_n[0])
        if log_evidence >= log_limit:
            since = _estimate_change((score_n - p_correct_n)[: raised + 1])
            return DriftAlarm(since, raised), log_evidence
    return None, log_evidence


def _estimate_change(difference_n: FloatArray) -> int:
    """Return the index from which on differences were larger, as Page's CUSUM estimates it.

    The sum of the last differences, each less half of the change, is largest from there on. The
    change itself is first estimated with the tolerance in place of its half.
    """
    sums = (_largest_end(side * difference_n - TOLERANCE) for side in (-1, 1))
    _, since = max(sums)
    change = float(difference_n[since:].mean())
    _, since = _largest_end(np.sign(change) * difference_n - max(abs(change) / 2, TOLERANCE))
    return since


def _largest_end(excess_n: FloatArray) -> tuple[float, int]:
    """Return the largest sum of the last elements, and the index at which it begins."""
    sums_n = np.cumsum(excess_n[::-1])
    longest = int(np.argmax(sums_n))
    return float(sums_n[longest]), len(excess_n) - 1 - longest
