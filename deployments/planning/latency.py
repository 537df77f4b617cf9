"""Distributions of a latency on a grid of equal steps: added, mixed, read at a percentile."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve
from scipy.special import ndtr

from scope.arrays import FloatArray

N_STEPS = 4096
"""Steps of the grid; what is longer counts as its end."""


@dataclass(frozen=True, slots=True)
class Latency:
    """A distribution of a time.

    Attributes
    ----------
    step_s : float
    chance_n : ndarray of shape (N_STEPS,)
        Of 0, 1, 2, ... steps; they sum to 1.
    """

    step_s: float
    chance_n: FloatArray

    @classmethod
    def of_values(cls, step_s: float, value_s: FloatArray, chance: FloatArray) -> "Latency":
        """Return a distribution of some values, s, with a chance each."""
        index = np.minimum(np.rint(value_s / step_s), N_STEPS - 1).astype(np.int64)
        return cls(step_s, np.bincount(index, chance, N_STEPS).astype(np.float64))

    @classmethod
    def of_wait(cls, step_s: float, chance: float, mean_s: float) -> "Latency":
        """Return a wait: none, or with some chance an exponential one; its overall mean is given.

        Exact for exponential service; for other service it is the usual approximation of the tail.
        """
        if mean_s <= 0:
            return cls.of_values(step_s, np.zeros(1), np.ones(1))
        edges = np.append(0.0, (np.arange(N_STEPS - 1) + 0.5) * step_s)
        # The last step takes the whole tail.
        survival = np.append(chance * np.exp(-edges * chance / mean_s), 0.0)
        chance_n = survival[:-1] - survival[1:]
        chance_n[0] += 1 - chance
        return cls(step_s, chance_n)

    @classmethod
    def of_spread(cls, step_s: float, median_s: float, p95_ratio: float) -> "Latency":
        """Return a log-normal time with a median, s, and a 95th percentile in multiples of it."""
        sigma = math.log(max(p95_ratio, 1.0001)) / 1.6449
        edges = np.append((np.arange(N_STEPS - 1) + 0.5) * step_s, np.inf)
        below = ndtr(np.log(edges / median_s) / sigma)
        return cls(step_s, np.diff(below, prepend=0.0))

    def plus(self, other: "Latency") -> "Latency":
        """Return the sum with another time that does not depend on this one."""
        whole = np.maximum(fftconvolve(self.chance_n, other.chance_n), 0.0)
        chance_n = whole[:N_STEPS].copy()
        chance_n[-1] += whole[N_STEPS:].sum()
        return Latency(self.step_s, chance_n / chance_n.sum())

    def later_of(self, other: "Latency", lead_s: float) -> "Latency":
        """Return the time until both have passed, of which the other began `lead_s` earlier.

        Both are taken to be long for the same requests, as the times of calls made together are:
        each percentile is the later one of the two.
        """
        lead = min(round(lead_s / self.step_s), N_STEPS)
        other_n = np.append(np.cumsum(other.chance_n)[lead:], np.ones(lead))
        below_n = np.minimum(np.cumsum(self.chance_n), other_n)
        return Latency(self.step_s, np.diff(below_n, prepend=0.0))

    def mixed_with(self, other: "Latency", share: float) -> "Latency":
        """Return the distribution in which a share of all has the other time."""
        return Latency(self.step_s, (1 - share) * self.chance_n + share * other.chance_n)

    @property
    def mean_s(self) -> float:
        """The mean."""
        return float(self.chance_n @ np.arange(N_STEPS)) * self.step_s

    def quantile_s(self, level: float) -> float:
        """Return the time that a share `level` of all does not exceed, s."""
        index = int(np.searchsorted(np.cumsum(self.chance_n), level))
        return min(index, N_STEPS - 1) * self.step_s
