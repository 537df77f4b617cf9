"""Bootstrap over questions: how much a number varies with the sample of questions."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from scope.arrays import FloatArray

N_REPLICATES = 1_000
PERCENTILES = (0.025, 0.975)
"""Levels of the ends of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and its 95 % bootstrap interval; NaN where undefined.

    Attributes
    ----------
    value : float
        On the sample itself.
    low, high : float
        Ends of the interval; NaN if the number is undefined in every replicate.
    """

    value: float
    low: float
    high: float

    @classmethod
    def from_replicates(cls, value_r: FloatArray) -> "Interval":
        """Compute the interval from the number in each resample of `bootstrap_weights`.

        The best of many settings is selected again in every replicate, which biases the
        replicates upwards. The levels of the ends are therefore shifted by the distance
        of the value from the median of the replicates (Efron's bias-corrected
        percentiles). An interval that still excludes its value is widened to include it.

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
    def from_columns(cls, value_rb: FloatArray) -> tuple["Interval", ...]:
        """Compute the interval of every column of an array."""
        if np.isnan(value_rb).any():
            return tuple(cls.from_replicates(value_r) for value_r in value_rb.T)
        return cls._corrected(value_rb[0], value_rb[1:])

    @classmethod
    def _corrected(cls, value_b: FloatArray, drawn_rb: FloatArray) -> tuple["Interval", ...]:
        n = len(drawn_rb)
        # Shares of few questions tie often: the rounding of a sum must not break the ties.
        gap_rb = (drawn_rb - value_b).round(12)
        below_b = (gap_rb < 0).mean(axis=0) + (gap_rb == 0).mean(axis=0) / 2
        shift_b = ndtri(below_b.clip(0.5 / n, 1 - 0.5 / n))
        position_2b = (n - 1) * ndtr(2 * shift_b + ndtri(np.array(PERCENTILES))[:, None])
        sorted_rb, first_2b = np.sort(drawn_rb, axis=0), np.floor(position_2b).astype(np.int64)
        lower_2b, upper_2b = (
            np.take_along_axis(sorted_rb, np.minimum(first_2b + more, n - 1), axis=0)
            for more in (0, 1)
        )
        low_b, high_b = lower_2b + (position_2b - first_2b) * (upper_2b - lower_2b)
        ends = np.minimum(low_b, value_b), np.maximum(high_b, value_b)
        rows = zip(value_b.tolist(), *(end.tolist() for end in ends), strict=True)
        return tuple(cls(*row) for row in rows)

    def to_json(self) -> dict[str, float | None]:
        """Return value and ends; unknown is null."""
        values = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if math.isnan(x) else x for name, x in values.items()}

    def __format__(self, kind: str) -> str:
        return f"{self.value:{kind}} ({self.low:{kind}} to {self.high:{kind}})"


def bootstrap_weights(n_questions: int, seed: int, n_replicates: int = N_REPLICATES) -> FloatArray:
    """Return the weight of each question in the sample itself and in each replicate.

    A mean over questions is then one matrix product for all replicates, and every
    comparison is paired: all routers use the same questions in each replicate.

    Returns
    -------
    ndarray of shape (n_replicates + 1, n_questions)
        Weights that sum to 1 in each row. The first row is the sample itself.
    """
    even = np.full(n_questions, 1 / n_questions)
    drawn_rq = np.random.default_rng(seed).multinomial(n_questions, even, n_replicates)
    weight_rq: FloatArray = np.vstack([even, drawn_rq / n_questions])
    return weight_rq
