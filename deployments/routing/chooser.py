"""From predictions to decisions: apply a policy to the eligible models at current prices."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from deployments.protocol import (
    CandidateEstimate,
    Decision,
    NearestAnchor,
    Prediction,
    eligible_prediction_set,
    predicted_arms,
)
from scope.arms import ArmColumns, assumed_arms
from scope.arrays import FloatArray
from scope.bank import Bank, ReferencePopulation, fit_alpha_scale
from scope.policy import AlphaScale, Policy
from scope.pool import ModelSpec
from scope.routing import Objective, PredictionSet, RoutingResult, route

MAX_CACHED_SCALES = 128
"""Alpha scales kept, one for each set of eligible models; requests choose the sets, so that
their number needs a limit."""


class PolicyChooser:
    """Chooses a model for each prediction, as ``scope route`` does.

    Parameters
    ----------
    bank : Bank
    """

    def __init__(self, bank: Bank) -> None:
        self._bank, self._bank_arms = bank, frozenset(bank.model_ids)
        self._cached_scale = lru_cache(MAX_CACHED_SCALES)(self._fit_scale)

    def predicted(self, arms: tuple[str, ...]) -> frozenset[str]:
        """Return the arms that the bank predicts."""
        return predicted_arms(self._bank, arms)

    def derives(self, models: Sequence[ModelSpec]) -> bool:
        """Return whether any of the arms is several samples of a model of the bank."""
        return not self._bank_arms.issuperset(model.id for model in models)

    def choose(
        self,
        predictions: Sequence[Prediction],
        models: tuple[ModelSpec, ...],
        objective: Objective,
    ) -> list[Decision]:
        """Return a decision for each prompt.

        Parameters
        ----------
        predictions : sequence of Prediction
            For all models of the bank.
        models : tuple of ModelSpec
            The eligible models at current prices.
        objective : Objective
            Not a budget.
        """
        predicted = self._predicted(predictions, models)
        if self.uses_means(objective):
            predicted = replace(predicted, reference=self._reference(models))
        assumed = assumed_arms(predicted.models)
        scale, policy = self._scale(models, objective), self.policy(models, objective)
        routing = route(predicted, objective, scale)
        return [
            replace(self._decision(routing, objective, policy, q, prediction), assumed=assumed)
            for q, prediction in enumerate(predictions)
        ]

    def _predicted(
        self, predictions: Sequence[Prediction], models: tuple[ModelSpec, ...]
    ) -> PredictionSet:
        return eligible_prediction_set(predictions, self._bank, models)

    def uses_means(self, objective: Objective) -> bool:
        """Return whether every prompt gets the mean estimates of the models."""
        return objective.uses_means(self._bank.routing_gain)

    def policy(self, models: tuple[ModelSpec, ...], objective: Objective) -> Policy:
        """Return the policy that `choose` applies."""
        return objective.policy(self._scale(models, objective))

    def _scale(self, models: tuple[ModelSpec, ...], objective: Objective) -> AlphaScale | None:
        return None if objective.alpha is None else self._cached_scale(models)

    def _fit_scale(self, models: tuple[ModelSpec, ...]) -> AlphaScale:
        return fit_alpha_scale(self._reference(models), models)

    def _reference(self, models: tuple[ModelSpec, ...]) -> ReferencePopulation | None:
        ids = tuple(model.id for model in models)
        arms = ArmColumns.resolve(ids, self._bank.models, "the bank")
        return self._bank.reference and self._bank.reference.select_arms(arms)

    def _decision(
        self,
        routing: RoutingResult,
        objective: Objective,
        policy: Policy,
        q: int,
        prediction: Prediction,
    ) -> Decision:
        names, estimates = routing.predictions.models, routing.predictions.estimates
        p_m, cost_m = estimates.p_correct_qm[q], estimates.cost_usd_qm[q]
        chosen = int(routing.choices.model_q[q])
        ranking = rank_models(policy, p_m, cost_m, chosen)
        utility_m = policy.utility(p_m, cost_m)
        columns = [*estimates.stack()[:, q], utility_m]
        values = np.column_stack(columns).tolist()
        in_distribution = float(estimates.in_distribution_qm[q, 0])
        return Decision(
            model=names[chosen] if chosen >= 0 else None,
            ranking=tuple(names[m] for m in ranking),
            reason=routing.explain(q),
            objective=objective,
            policy=policy,
            satisfied=bool(routing.choices.satisfied_q[q]),
            candidates=tuple(
                CandidateEstimate(name, *row) for name, row in zip(names, values, strict=True)
            ),
            anchors=tuple(
                NearestAnchor(self._bank.ids[anchor], similarity)
                for anchor, similarity in zip(
                    prediction.anchor_k.tolist(), prediction.similarity_k.tolist(), strict=True
                )
            ),
            source=prediction.source,
            degraded=prediction.degraded,
            out_of_distribution=None if math.isnan(in_distribution) else in_distribution < 1,
            known={} if prediction.fact is None else {self._bank.fact: prediction.fact},
        )


def rank_models(
    policy: Policy, p_correct_m: FloatArray, cost_usd_m: FloatArray, chosen: int
) -> list[int]:
    """Return the indices of all models, best first.

    Each rank goes to the model that the policy would choose if those before it were not there.
    Ties go as in `scope.policy`; models without known estimates come last.

    Parameters
    ----------
    policy : Policy
    p_correct_m, cost_usd_m : ndarray of shape (n_models,)
        NaN is unknown.
    chosen : int
        The model that the policy chose, which comes first; -1 for none.
    """

    def key(m: int) -> tuple[float, ...]:
        p, cost = float(p_correct_m[m]), float(cost_usd_m[m])
        return (1, m) if math.isnan(p + cost) else (0, *policy.sort_key(p, cost), m)

    order = sorted(range(len(p_correct_m)), key=key)
    return order if chosen < 0 else [chosen, *(m for m in order if m != chosen)]
