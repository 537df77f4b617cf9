"""What an answer is worth before it is given: the expected gain in what the policy is after."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit

from scope.arrays import FloatArray, IntArray
from scope.fusion.blend import log_odds
from scope.fusion.bounds import EstimateBounds
from scope.policy import ExpectedValue, MaxCost, MinQuality, Policy

N_QUADRATURE_NODES = 7
"""Answers that stand for all: exact for polynomials up to degree 13."""

N_COST_NODES = 3
"""The same for lengths, which move little."""


@dataclass(frozen=True, slots=True)
class UpdateStd:
    """Standard deviation of what an answer changes, in log odds and in log cost."""

    log_odds: float
    log_cost: float


def expected_value_of_information(
    policy: Policy,
    p_m: FloatArray,
    cost_m: FloatArray,
    box: EstimateBounds,
    spread: UpdateStd,
    asked: IntArray,
) -> FloatArray:
    """Return the expected gain of asking one model more and deciding then, (n_asked,).

    The answer is drawn from a normal distribution around what is known, in log odds, whose mean
    is put right: nobody expects to change their mind in a known direction. A gain is that of
    the new choice over the present one, both as seen after the answer: correct answers less
    trade-off times USD for `ExpectedValue`, USD where that is infinite. For `MaxCost` it is
    correct answers, one too dear being none. `MinQuality` is asked for whatever it costs, so
    that each change of choice counts the USD it saves or adds.

    Parameters
    ----------
    policy : Policy
    p_m, cost_m : ndarray of shape (n_models,)
        As they stand.
    box : EstimateBounds
        What they can become.
    spread : UpdateStd
    asked : ndarray of int, shape (n_asked,)
        Models that might be asked.
    """
    n_models = len(p_m)
    p_ak, weight_k = _probabilities(p_m[asked, None], spread.log_odds)
    cost_aj, weight_j = _costs(cost_m[asked, None], spread.log_cost)
    p_ak = p_ak.clip(box.p_low_m[asked, None], box.p_high_m[asked, None])
    cost_aj = cost_aj.clip(box.cost_low_m[asked, None], box.cost_high_m[asked, None])
    shape = (len(asked), len(weight_k), len(weight_j), n_models)
    p_akjm, cost_akjm = (np.broadcast_to(now_m, shape).copy() for now_m in (p_m, cost_m))
    here = np.arange(len(asked))
    p_akjm[here, :, :, asked] = p_ak[:, :, None]
    cost_akjm[here, :, :, asked] = cost_aj[:, None, :]
    worlds = (p_akjm.reshape(-1, n_models), cost_akjm.reshape(-1, n_models))
    gain_akj = _gain(policy, *worlds, p_m, cost_m).reshape(shape[:3])
    gain_a: FloatArray = weight_k @ gain_akj @ weight_j
    return gain_a


def query_cost(policy: Policy, ask_usd: float) -> float:
    """Return what an answer costs in the unit of `values_of_asking`.

    Under `ExpectedValue` a USD is worth the trade-off. Who lets a question cost up to a limit
    (`MaxCost`) values a right answer at no less, so that a USD is worth one over the limit.
    """
    match policy:
        case ExpectedValue(trade_off) if np.isfinite(trade_off):
            return ask_usd * trade_off
        case MaxCost(limit_usd) if ask_usd > 0:
            return ask_usd / limit_usd if limit_usd > 0 else np.inf
    return ask_usd


@cache
def _gauss_hermite(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Return standard normal deviates that stand for all, and their weights."""
    node_k, weight_k = np.polynomial.hermite_e.hermegauss(n_nodes)
    return node_k, weight_k / weight_k.sum()


def _probabilities(p_a1: FloatArray, spread: float) -> tuple[FloatArray, FloatArray]:
    """Return probabilities after an answer, around those before it, and their weights."""
    node_k, weight_k = _gauss_hermite(N_QUADRATURE_NODES if spread > 0 else 1)
    p_ak: FloatArray = expit(log_odds(p_a1) + spread * node_k)
    return p_ak + p_a1 - (p_ak @ weight_k)[:, None], weight_k


def _costs(cost_a1: FloatArray, spread: float) -> tuple[FloatArray, FloatArray]:
    """Return costs after an answer, around those before it, and their weights."""
    node_j, weight_j = _gauss_hermite(N_COST_NODES if spread > 0 else 1)
    factor_j = np.exp(spread * node_j)
    return cost_a1 * factor_j / (factor_j @ weight_j), weight_j


def _gain(
    policy: Policy, p_wm: FloatArray, cost_wm: FloatArray, p_m: FloatArray, cost_m: FloatArray
) -> FloatArray:
    """Return what is gained in each world by choosing anew, (n_worlds,)."""
    match policy:
        case ExpectedValue(trade_off):
            sure = np.isinf(trade_off)
            value_wm = -cost_wm if sure else p_wm - trade_off * cost_wm
            now = np.nanargmax(-cost_m if sure else p_m - trade_off * cost_m)
            gain_w: FloatArray = np.nanmax(value_wm, axis=1) - value_wm[:, now]
            return gain_w
        case MinQuality():
            return np.abs(_value_difference(policy, cost_wm, (p_wm, cost_wm), (p_m, cost_m)))
        case MaxCost(limit_usd):
            good_wm = np.where(cost_wm <= limit_usd, p_wm, 0.0)
            return _value_difference(policy, good_wm, (p_wm, cost_wm), (p_m, cost_m))
    raise TypeError(f"{type(policy).__name__} is no policy whose gains can be told")


def _value_difference(
    policy: Policy,
    value_wm: FloatArray,
    worlds: tuple[FloatArray, FloatArray],
    now: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Return by how much the new choice exceeds the present one in each world."""
    present = policy.choose(now[0][None], now[1][None]).model_q[0]
    changed_w: FloatArray = policy.choose(*worlds).pick(value_wm) - value_wm[:, present]
    return changed_w
