"""From predictions to decisions: the policy, at today's prices, over the permitted models."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deployments.protocol import Decision, Prediction, eligible_prediction_set
from scope.arrays import FloatArray
from scope.bank import Bank, fit_alpha_scale
from scope.policy import AlphaScale, Policy
from scope.pool import ModelSpec, indices_of
from scope.predictions import COLUMNS, Predictions
from scope.routing import Objective, RoutingResult, build_policy, finite_or_none, route


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


MAX_CACHED_SCALES = 128
"""Dials kept, one for each set of permitted models; requests choose the sets: bounded."""


class PolicyChooser:
    """Decides for prompts whose predictions are there; the same as ``scope route``.

    Parameters
    ----------
    bank : Bank
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._dial = lru_cache(MAX_CACHED_SCALES)(self._fit_dial)

    def choose(
        self,
        predictions: Sequence[Prediction],
        models: tuple[ModelSpec, ...],
        aim: Mapping[str, float],
    ) -> list[Decision]:
        """Return a decision for each prompt.

        Parameters
        ----------
        predictions : sequence of Prediction
            Of the bank's models.
        models : tuple of ModelSpec
            The permitted ones at today's prices.
        aim : mapping
            One of alpha, min_quality and max_cost_usd.
        """
        dial = self._dial(models) if "alpha" in aim else None
        routing = route(
            eligible_prediction_set(predictions, self._bank, models), Objective(**aim), dial
        )
        return [self._decision(routing, q, one) for q, one in enumerate(predictions)]

    def policy(self, models: tuple[ModelSpec, ...], aim: Mapping[str, float]) -> Policy:
        """Return the rule by which `choose` decides."""
        dial = self._dial(models) if "alpha" in aim else None
        _, policy, _ = build_policy(Objective(**aim), dial)
        return policy

    def _fit_dial(self, models: tuple[ModelSpec, ...]) -> AlphaScale:
        ids = tuple(model.id for model in models)
        columns = indices_of(ids, self._bank.model_ids, "the bank")
        population = self._bank.reference
        return fit_alpha_scale(population and population.select_models(columns), models)

    def _decision(self, routing: RoutingResult, q: int, prediction: Prediction) -> Decision:
        names, estimates = routing.predictions.models, routing.predictions.estimates
        p_m, cost_m = estimates.p_correct_qm[q], estimates.cost_usd_qm[q]
        chosen = int(routing.choices.model_q[q])
        order = rank_models(routing.settings, p_m, cost_m, chosen)
        utility = utility_m(routing.settings, p_m, cost_m)
        in_distribution = finite_or_none(estimates.in_distribution_qm[q, 0])
        return Decision(
            model=names[chosen] if chosen >= 0 else None,
            ranking=tuple(names[m] for m in order),
            policy=routing.policy,
            settings={name: finite_or_none(value) for name, value in routing.settings.items()},
            reason=routing.explain(q),
            satisfied=bool(routing.choices.satisfied_q[q]),
            candidates=_candidates(routing.predictions, q, utility.tolist()),
            anchors=self._anchors(prediction),
            source=prediction.source,
            degraded=prediction.degraded,
            out_of_distribution=None if in_distribution is None else in_distribution < 1,
        )

    def _anchors(self, prediction: Prediction) -> tuple[dict[str, Any], ...]:
        near = zip(prediction.anchor_k.tolist(), prediction.similarity_k.tolist(), strict=True)
        return tuple(
            {"id": self._bank.ids[anchor], "similarity": round(similarity, 6)}
            for anchor, similarity in near
        )


def _candidates(
    predictions: Predictions, q: int, utility: Sequence[float]
) -> tuple[dict[str, Any], ...]:
    """Return every estimate of every permitted model; unknown is None."""
    estimates = predictions.estimates
    value_me = np.column_stack(
        [value_qm[q] for value_qm in estimates.to_columns().values()]
    ).tolist()
    return tuple(
        {
            "model": model,
            **{name: finite_or_none(value) for name, value in zip(COLUMNS, values, strict=True)},
            "utility": finite_or_none(utility[m]),
        }
        for m, (model, values) in enumerate(zip(predictions.models, value_me, strict=True))
    )
