"""All candidates in the order in which a policy likes them: who answers if the first cannot."""

import math
from collections.abc import Mapping

import numpy as np

from scope.arrays import FloatArray


def rank_models(
    settings: Mapping[str, float], p_correct_m: FloatArray, cost_usd_m: FloatArray, chosen: int
) -> list[int]:
    """Return the places of all models, best first.

    Each stands where the policy would choose it if those before it were not there; ties go as
    in `scope.policy`, and models of which nothing is known come last.

    Parameters
    ----------
    settings : mapping
        Of a `Routing`: ``trade_off``, ``min_quality`` or ``max_cost_usd``.
    p_correct_m, cost_usd_m : ndarray of shape (n_models,)
        NaN is unknown.
    chosen : int
        Whom the policy has chosen, -1 for nobody; is first.
    """

    def key(m: int) -> tuple[float, ...]:
        p, cost = float(p_correct_m[m]), float(cost_usd_m[m])
        if math.isnan(p + cost):
            return (2, 0, 0, m)
        if "min_quality" in settings:
            return (0, cost, -p, m) if p >= settings["min_quality"] else (1, -p, cost, m)
        if "max_cost_usd" in settings:
            return (0, -p, cost, m) if cost <= settings["max_cost_usd"] else (1, cost, -p, m)
        if math.isinf(settings["trade_off"]):
            return (0, cost, -p, m)
        return (0, settings["trade_off"] * cost - p, cost, m)

    order = sorted(range(len(p_correct_m)), key=key)
    return order if chosen < 0 else [chosen, *(m for m in order if m != chosen)]


def utility_m(
    settings: Mapping[str, float], p_correct_m: FloatArray, cost_usd_m: FloatArray
) -> FloatArray:
    """Return ``p - trade_off * cost`` of each model; NaN where no finite trade-off was asked."""
    trade_off = settings.get("trade_off", math.inf)
    if math.isinf(trade_off):
        return np.full_like(p_correct_m, np.nan)
    utility: FloatArray = p_correct_m - trade_off * cost_usd_m
    return utility
