"""One replica that serves batches: its batches, its utilisation and the latency of a call."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from scope.arrays import FloatArray

MIN_STATES, MAX_STATES = 48, 320
"""Numbers of waiting calls that are told apart; more count as the last one."""

RARE = 1e-7
"""States less probable than this add nothing to a latency."""

N_MOMENTS = 12
"""Moments of a batch at which the arrival of a call is evaluated."""


@dataclass(frozen=True, slots=True)
class BatchQueue:
    """A replica in steady state under Poisson arrivals; `solve` makes it.

    Attributes
    ----------
    rate_per_s : float
        Calls that arrive in a second.
    service_s_n : ndarray of shape (max_batch_size,)
        Time of a batch of 1, 2, ... calls.
    state_p : ndarray of shape (n_states,)
        Chance that so many calls wait when a batch ends.
    """

    rate_per_s: float
    service_s_n: FloatArray
    state_p: FloatArray

    @classmethod
    def solve(cls, rate_per_s: float, service_s_n: FloatArray) -> "BatchQueue | None":
        """Return the steady state; None if calls arrive faster than full batches serve them.

        A batch takes all calls that wait, up to the maximum; if none waits, it starts with the
        next call, alone. The number that waits when a batch ends is a Markov chain: it is what
        was left, plus the Poisson arrivals during the batch.

        References
        ----------
        .. [1] Bailey, "On queueing processes with bulk service", J. Royal Statistical Society B
           16 (1954).
        .. [2] Inoue, "Queueing analysis of GPU-based inference servers with dynamic batching",
           Performance Evaluation 147 (2021), arXiv:1912.06322.
        """
        load = rate_per_s * service_s_n[-1] / len(service_s_n)
        if load >= 1 or not math.isfinite(load):
            return None
        n_states = int(min(MAX_STATES, max(MIN_STATES, 3 * len(service_s_n)) + 12 / (1 - load)))
        batch_n, left_n = _next_batch(n_states, len(service_s_n))
        arrivals = rate_per_s * service_s_n[batch_n - 1]
        step = np.arange(n_states)[None, :] - left_n[:, None]
        move = np.where(step >= 0, _poisson(np.maximum(step, 0), arrivals[:, None]), 0.0)
        move[:, -1] += 1 - move.sum(axis=1)
        # The steady state: p (M - 1) = 0 with p summing to 1, which replaces one equation.
        system = move.T - np.eye(n_states)
        system[-1] = 1.0
        state_p = np.linalg.solve(system, np.eye(n_states)[-1])
        return cls(rate_per_s, service_s_n, np.maximum(state_p, 0.0))

    @property
    def _durations_s(self) -> FloatArray:
        batch_n, _ = _next_batch(len(self.state_p), len(self.service_s_n))
        durations: FloatArray = self.service_s_n[batch_n - 1]
        return durations

    @property
    def cycle_s(self) -> float:
        """Mean time from the start of a batch to that of the next one, idle time included."""
        return float(self.state_p @ self._durations_s + self.state_p[0] / self.rate_per_s)

    def mean_cpu_s(self, cpu_s_n: FloatArray) -> float:
        """Return the mean CPU time of a batch, given that of a batch of 1, 2, ... calls."""
        batch_n, _ = _next_batch(len(self.state_p), len(self.service_s_n))
        return float(self.state_p @ cpu_s_n[batch_n - 1])

    @property
    def utilisation(self) -> float:
        """Share of the time in which a batch is served."""
        return float(self.state_p @ self._durations_s) / self.cycle_s

    @property
    def mean_batch(self) -> float:
        """Mean number of calls in a batch."""
        return self.rate_per_s * self.cycle_s

    @property
    def mean_latency_s(self) -> float:
        """Mean time of a call from arrival to the end of its batch, by Little's law."""
        durations_s = self._durations_s
        present = np.maximum(np.arange(len(self.state_p)), 1)
        area = present * durations_s + self.rate_per_s * durations_s**2 / 2
        return float(self.state_p @ area) / self.cycle_s / self.rate_per_s

    def extra_latency(self, busy_share: float) -> tuple[FloatArray, FloatArray]:
        """Return the time that a call takes beyond a batch of its own: values, s, and chances.

        Parameters
        ----------
        busy_share : float
            Chance that a call which this replica would keep waiting finds no other replica free,
            in [0, 1]; 1 if there is only one replica.
        """
        busy_p = self.state_p * self._durations_s / self.cycle_s * busy_share
        extra_s, chance = [np.zeros(1)], [np.array([1 - busy_p.sum()])]
        for state in np.flatnonzero(busy_p > RARE):
            values, chances = self._extra_while(int(state))
            extra_s.append(values)
            chance.append(busy_p[state] * chances)
        return np.concatenate(extra_s), np.concatenate(chance)

    def _extra_while(self, state: int) -> tuple[FloatArray, FloatArray]:
        """Return the extra time of a call that arrives during the batch after a state."""
        largest = len(self.service_s_n)
        batch = min(max(state, 1), largest)
        duration_s = float(self.service_s_n[batch - 1])
        mean = self.rate_per_s * duration_s
        others = np.arange(int(mean + 6 * math.sqrt(mean) + 6))[:, None]
        elapsed = (np.arange(N_MOMENTS)[None, :] + 0.5) / N_MOMENTS
        # It waits for this batch, for full batches of those ahead of it, and for its own.
        ahead = max(state, 1) - batch + np.rint(others * elapsed).astype(np.int64)
        full = ahead // largest
        own = np.minimum(largest, max(state, 1) - batch + others + 1 - full * largest)
        extra_s = (
            (1 - elapsed) * duration_s
            + full * self.service_s_n[-1]
            + self.service_s_n[own - 1]
            - self.service_s_n[0]
        )
        chance = _poisson(others, np.array(mean)) / N_MOMENTS
        return extra_s.ravel(), np.broadcast_to(chance, extra_s.shape).ravel()


def _next_batch(n_states: int, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the size of the batch after each state, and how many calls it leaves."""
    waiting = np.maximum(np.arange(n_states), 1)
    batch_n = np.minimum(waiting, largest)
    return batch_n, waiting - batch_n


def _poisson(count: np.ndarray, mean: FloatArray) -> FloatArray:
    """Return the chance of a count of Poisson arrivals."""
    if np.all(mean == 0):
        return np.where(count == 0, 1.0, 0.0)
    chance: FloatArray = np.exp(count * np.log(mean) - mean - gammaln(count + 1))
    return chance
