"""From predictions to decisions: the policy, at today's prices, over the permitted models."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deployments.decision import Decision
from deployments.prediction import Prediction, eligible_prediction_set
from deployments.ranking import rank_models, utility_m
from scope.bank import Bank
from scope.calibration import fit_alpha_scale
from scope.dial import AlphaScale
from scope.metrics import finite_or_none
from scope.policy import Policy
from scope.pool import ModelSpec, indices_of
from scope.predictions import ESTIMATE_FIELDS, Predictions
from scope.router import Objective, build_policy, route
from scope.routing import RoutingResult

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
    value_me = np.column_stack([getattr(estimates, name)[q] for name in ESTIMATE_FIELDS]).tolist()
    names = [name.removesuffix("_qm") for name in ESTIMATE_FIELDS]
    return tuple(
        {
            "model": model,
            **{name: finite_or_none(value) for name, value in zip(names, values, strict=True)},
            "utility": finite_or_none(utility[m]),
        }
        for m, (model, values) in enumerate(zip(predictions.models, value_me, strict=True))
    )
