"""Queueing formulas: chance and mean of a wait, and how processes share the cores of a machine."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

from scope.arrays import FloatArray

NEGLIGIBLE = 1e-12
"""A smaller chance counts as none."""


def wait_probability(n_servers: int, utilisation: float) -> float:
    """Return the chance that an arrival finds all servers busy (Erlang's C formula).

    ``B(0) = 1``, ``B(k) = a B(k-1) / (k + a B(k-1))`` with ``a = n_servers * utilisation``, then
    ``C = B / (1 - utilisation * (1 - B))``.

    Parameters
    ----------
    n_servers : int
    utilisation : float
        Share of the time that a server works, in [0, 1]; at 1 every arrival waits.

    References
    ----------
    .. [1] Kleinrock, "Queueing Systems", volume 1, 1975, section 3.5.

    Examples
    --------
    With one server it is the utilisation; with two, ``2 u² / (1 + u)``.

    >>> wait_probability(1, 0.5), round(wait_probability(2, 0.5), 6)
    (0.5, 0.333333)
    """
    if utilisation >= 1:
        return 1.0
    offered, blocked = n_servers * utilisation, 1.0
    for k in range(1, n_servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked / (1 - utilisation * (1 - blocked))


def mean_wait_s(
    n_servers: int, utilisation: float, service_s: float, variation_squared: float
) -> float:
    """Return the mean wait of Poisson arrivals for the next free of several servers, s.

    ``W = C / (n (1 - u)) * S * (1 + v) / 2``, C as in `wait_probability`: exact for one server
    (Pollaczek and Khinchine) and for exponential service; else the approximation of Allen and
    Cunneen.

    Parameters
    ----------
    n_servers : int
    utilisation : float
        In [0, 1]; at 1 the wait is infinite.
    service_s : float
        Mean service time.
    variation_squared : float
        Variance of the service time over its squared mean: 0 if it is constant.

    References
    ----------
    .. [1] Allen, "Probability, Statistics, and Queueing Theory", 2nd edition, 1990, section 5.3.

    Examples
    --------
    One server, half busy, one second each: 1 s if service is exponential, half if constant.

    >>> mean_wait_s(1, 0.5, 1.0, 1.0), mean_wait_s(1, 0.5, 1.0, 0.0)
    (1.0, 0.5)
    """
    if utilisation >= 1:
        return math.inf
    chance = wait_probability(n_servers, utilisation)
    return chance / (n_servers * (1 - utilisation)) * service_s * (1 + variation_squared) / 2


def slowdowns(groups: Sequence[tuple[int, float]], n_cores: int) -> FloatArray:
    """Return how much longer a process of each group computes because it shares the cores.

    While K others compute on N cores, a process gets ``min(1, N / (K + 1))`` of a core. The
    others are taken as independent, so that K is a sum of binomial counts, and the result is the
    mean of ``max(1, (K + 1) / N)``.

    Parameters
    ----------
    groups : sequence of (int, float)
        Number of like processes, and the chance that one of them wants a core, in [0, 1].
    n_cores : int

    Returns
    -------
    ndarray of shape (n_groups,)
        At least 1; 1 for a group without a process.

    Examples
    --------
    Two processes on one core: the first computes alone, or half the time beside the other.

    >>> slowdowns([(1, 1.0), (1, 0.5)], 1).tolist()
    [1.5, 2.0]
    """
    factors = []
    for own, (number, _) in enumerate(groups):
        count_p = np.ones(1)
        for group, (n_processes, chance) in enumerate(groups):
            others = n_processes - (group == own)
            if number and others > 0:
                # scipy overflows at chances near the smallest numbers, which add nothing.
                rounded = 0.0 if chance < NEGLIGIBLE else chance
                count_p = np.convolve(count_p, binom.pmf(np.arange(others + 1), others, rounded))
        shared = np.maximum(1.0, (np.arange(len(count_p)) + 1) / n_cores)
        factors.append(float(count_p @ shared))
    return np.array(factors)


def as_processes(cores: float) -> list[tuple[int, float]]:
    """Return so many cores as processes that always compute, and one that does so at times.

    Examples
    --------
    >>> as_processes(2.25)
    [(2, 1.0), (1, 0.25)]
    """
    whole = math.floor(cores)
    return [(whole, 1.0), (1, cores - whole)]
