"""Draw the questions again and again: how far a number would move on other questions."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from scope.arrays import FloatArray

N_REPLICATES = 1_000
PERCENTILES = (0.025, 0.975)
"""Levels at which an interval ends: 95 % lie between."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and its 95 % bootstrap interval; NaN where it is not defined.

    Attributes
    ----------
    value : float
        On the questions as they are.
    low, high : float
        Ends of the interval; NaN if no replicate defines the number.
    """

    value: float
    low: float
    high: float

    @classmethod
    def from_replicates(cls, value_r: FloatArray) -> "Interval":
        """Read the interval off what each row of `resamples` gives.

        The best of many settings is picked anew in every replicate, which lifts the
        replicates above the value itself. The levels at which the interval ends are
        therefore moved by as much as the value stands off their median (Efron's
        bias-corrected percentiles); an interval that would still miss its value is
        widened to hold it.

        Parameters
        ----------
        value_r : ndarray of shape (n_replicates + 1,)
            The first is the value; NaN replicates are left out.

        Examples
        --------
        >>> Interval.from_replicates(np.array([0.5, 0.4, 0.5, 0.6]))
        Interval(value=0.5, low=0.405, high=0.595)
        """
        value, drawn_r = float(value_r[0]), value_r[1:]
        drawn_r = drawn_r[~np.isnan(drawn_r)]
        if math.isnan(value) or not drawn_r.size:
            return cls(value, math.nan, math.nan)
        return cls._corrected(value_r[:1], drawn_r[:, None])[0]

    @classmethod
    def of_columns(cls, value_rb: FloatArray) -> tuple["Interval", ...]:
        """Do the same for every column of an array."""
        if np.isnan(value_rb).any():
            return tuple(cls.from_replicates(value_r) for value_r in value_rb.T)
        return cls._corrected(value_rb[0], value_rb[1:])

    @classmethod
    def _corrected(cls, value_b: FloatArray, drawn_rb: FloatArray) -> tuple["Interval", ...]:
        n = len(drawn_rb)
        # Shares of few questions tie often; the rounding of a sum must not decide for a side.
        gap_rb = (drawn_rb - value_b).round(12)
        below_b = (gap_rb < 0).mean(axis=0) + (gap_rb == 0).mean(axis=0) / 2
        shift_b = ndtri(below_b.clip(0.5 / n, 1 - 0.5 / n))
        place_eb = (n - 1) * ndtr(2 * shift_b + ndtri(np.array(PERCENTILES))[:, None])
        sorted_rb, first_eb = np.sort(drawn_rb, axis=0), np.floor(place_eb).astype(np.int64)
        lower_eb, upper_eb = (
            np.take_along_axis(sorted_rb, np.minimum(first_eb + more, n - 1), axis=0)
            for more in (0, 1)
        )
        low_b, high_b = lower_eb + (place_eb - first_eb) * (upper_eb - lower_eb)
        ends = np.minimum(low_b, value_b), np.maximum(high_b, value_b)
        rows = zip(value_b.tolist(), *(end.tolist() for end in ends), strict=True)
        return tuple(cls(*row) for row in rows)

    def __format__(self, kind: str) -> str:
        return f"{self.value:{kind}} ({self.low:{kind}} to {self.high:{kind}})"


def bootstrap_weights(n_questions: int, seed: int, n_replicates: int = N_REPLICATES) -> FloatArray:
    """Return how much each question counts in the sample itself and in each replicate.

    Every number that is a mean over questions is then one matrix product, and
    every comparison is paired: all routers see the same questions in a row.

    Returns
    -------
    ndarray of shape (n_replicates + 1, n_questions)
        Weights that add up to 1 along a row. The first row is the sample itself.
    """
    even = np.full(n_questions, 1 / n_questions)
    drawn_rq = np.random.default_rng(seed).multinomial(n_questions, even, n_replicates)
    weight_rq: FloatArray = np.vstack([even, drawn_rq / n_questions])
    return weight_rq
