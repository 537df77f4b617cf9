"""Value of information: the expected gain of a query before its answer is known."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit

from scope.arrays import FloatArray, IntArray
from scope.fusion.blend import log_odds
from scope.policy import EstimateBounds, Policy

N_QUADRATURE_NODES = 7
"""Gauss-Hermite nodes for the probability: exact for polynomials up to degree 13."""

N_COST_NODES = 3
"""Gauss-Hermite nodes for the cost, which changes little."""


@dataclass(frozen=True, slots=True)
class UpdateStd:
    """Standard deviation of the change that an answer makes, in log odds and in log cost."""

    log_odds: float
    log_cost: float


def expected_value_of_information(
    policy: Policy,
    p_m: FloatArray,
    cost_m: FloatArray,
    bounds: EstimateBounds,
    update_std: UpdateStd,
    queried_n: IntArray,
) -> FloatArray:
    """Return the expected gain of querying one more model and then choosing again.

    The answer is drawn from a normal distribution around the current estimate, in log odds,
    shifted so that the expected probability stays the current one. `Policy.gain` defines the
    gain and its unit.

    Parameters
    ----------
    policy : Policy
    p_m, cost_m : ndarray of shape (n_models,)
        Current estimates.
    bounds : EstimateBounds
        Of the estimates after any answer.
    update_std : UpdateStd
    queried_n : ndarray of int, shape (n_candidates,)
        Models that may be queried.

    Returns
    -------
    ndarray of shape (n_candidates,)
    """
    n_models = len(p_m)
    p_nk, weight_k = _probabilities(p_m[queried_n, None], update_std.log_odds)
    cost_nj, weight_j = _costs(cost_m[queried_n, None], update_std.log_cost)
    p_nk = p_nk.clip(bounds.p_low_m[queried_n, None], bounds.p_high_m[queried_n, None])
    cost_nj = cost_nj.clip(bounds.cost_low_m[queried_n, None], bounds.cost_high_m[queried_n, None])
    shape = (len(queried_n), len(weight_k), len(weight_j), n_models)
    p_nkjm, cost_nkjm = (np.broadcast_to(value_m, shape).copy() for value_m in (p_m, cost_m))
    index_n = np.arange(len(queried_n))
    p_nkjm[index_n, :, :, queried_n] = p_nk[:, :, None]
    cost_nkjm[index_n, :, :, queried_n] = cost_nj[:, None, :]
    gain_w = policy.gain(p_nkjm.reshape(-1, n_models), cost_nkjm.reshape(-1, n_models), p_m, cost_m)
    gain_n: FloatArray = weight_k @ gain_w.reshape(shape[:3]) @ weight_j
    return gain_n


@cache
def _gauss_hermite(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Return the nodes of a standard normal distribution and their weights, which sum to 1."""
    node_k, weight_k = np.polynomial.hermite_e.hermegauss(n_nodes)
    return node_k, weight_k / weight_k.sum()


def _probabilities(p_n1: FloatArray, std: float) -> tuple[FloatArray, FloatArray]:
    """Return probabilities after an answer, around those before it, and their weights."""
    node_k, weight_k = _gauss_hermite(N_QUADRATURE_NODES if std > 0 else 1)
    p_nk: FloatArray = expit(log_odds(p_n1) + std * node_k)
    return p_nk + p_n1 - (p_nk @ weight_k)[:, None], weight_k


def _costs(cost_n1: FloatArray, std: float) -> tuple[FloatArray, FloatArray]:
    """Return costs after an answer, around those before it, and their weights."""
    node_j, weight_j = _gauss_hermite(N_COST_NODES if std > 0 else 1)
    factor_j = np.exp(std * node_j)
    return cost_n1 * factor_j / (factor_j @ weight_j), weight_j
