"""Draw the questions again and again: how far a number would move on other questions."""

import math
from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats

N_REPLICATES = 1_000
ENDS = (0.025, 0.975)
"""Levels at which an interval ends: it holds 95 % of the replicates."""


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
    def of(cls, value_r: Floats) -> "Interval":
        """Read the interval off what each row of `resamples` gives.

        The best of many settings is picked anew in every replicate, which lifts
        replicates a little above the value itself: where that would put the value
        outside, the interval is widened to hold it.

        Parameters
        ----------
        value_r : ndarray of shape (n_replicates + 1,)
            The first is the value; NaN replicates are left out.

        Examples
        --------
        >>> Interval.of(np.array([0.5, 0.4, 0.5, 0.6]))
        Interval(value=0.5, low=0.405, high=0.595)
        """
        value, drawn = float(value_r[0]), value_r[1:]
        drawn = drawn[~np.isnan(drawn)]
        if math.isnan(value) or not drawn.size:
            return cls(value, math.nan, math.nan)
        low, high = np.quantile(drawn, ENDS)
        return cls(value, min(float(low), value), max(float(high), value))

    @classmethod
    def of_columns(cls, value_rb: Floats) -> tuple["Interval", ...]:
        """Do the same for every column of an array."""
        if np.isnan(value_rb).any():
            return tuple(cls.of(value_r) for value_r in value_rb.T)
        # Sorted once for all columns, not once for each.
        low_b, high_b = np.quantile(value_rb[1:], ENDS, axis=0)
        rows = zip(value_rb[0].tolist(), low_b.tolist(), high_b.tolist(), strict=True)
        return tuple(cls(value, min(low, value), max(high, value)) for value, low, high in rows)

    def __format__(self, kind: str) -> str:
        return f"{self.value:{kind}} ({self.low:{kind}} to {self.high:{kind}})"


def resamples(n_questions: int, seed: int, n_replicates: int = N_REPLICATES) -> Floats:
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
    weight_rq: Floats = np.vstack([even, drawn_rq / n_questions])
    return weight_rq
