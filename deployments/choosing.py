"""From predictions to decisions: the policy, at today's prices, over the permitted models."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deployments.decision import Decision
from deployments.prediction import Prediction, offered
from deployments.ranking import ranked, utility_m
from scope.bank import Bank
from scope.calibration import fit_dial
from scope.dial import Dial
from scope.metrics import known
from scope.policy import Policy
from scope.pool import ModelSpec, positions
from scope.predictions import ESTIMATES, Predictions
from scope.router import Target, policy_of, route
from scope.routing import Routing

MAX_DIALS = 128
"""Dials kept, one for each set of permitted models; requests choose the sets: bounded."""


class Chooser:
    """Decides for prompts whose predictions are there; the same as ``scope route``.

    Parameters
    ----------
    bank : Bank
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._dial = lru_cache(MAX_DIALS)(self._fit_dial)

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
        routing = route(offered(predictions, self._bank, models), Target(**aim), dial)
        return [self._decision(routing, q, one) for q, one in enumerate(predictions)]

    def policy(self, models: tuple[ModelSpec, ...], aim: Mapping[str, float]) -> Policy:
        """Return the rule by which `choose` decides."""
        dial = self._dial(models) if "alpha" in aim else None
        _, policy, _ = policy_of(Target(**aim), dial)
        return policy

    def _fit_dial(self, models: tuple[ModelSpec, ...]) -> Dial:
        ids = tuple(model.id for model in models)
        columns = positions(ids, self._bank.model_ids, "the bank")
        population = self._bank.calibration
        return fit_dial(population and population.columns(columns), models)

    def _decision(self, routing: Routing, q: int, prediction: Prediction) -> Decision:
        names, estimates = routing.predictions.models, routing.predictions.estimates
        p_m, cost_m = estimates.p_correct_qm[q], estimates.cost_usd_qm[q]
        chosen = int(routing.choices.model_q[q])
        order = ranked(routing.settings, p_m, cost_m, chosen)
        utility = utility_m(routing.settings, p_m, cost_m)
        familiarity = known(estimates.familiarity_qm[q, 0])
        return Decision(
            model=names[chosen] if chosen >= 0 else None,
            order=tuple(names[m] for m in order),
            policy=routing.policy,
            settings={name: known(value) for name, value in routing.settings.items()},
            reason=routing.reason(q),
            met=bool(routing.choices.met_q[q]),
            candidates=_candidates(routing.predictions, q, utility.tolist()),
            anchors=self._anchors(prediction),
            source=prediction.source,
            degraded=prediction.degraded,
            out_of_distribution=None if familiarity is None else familiarity < 1,
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
    value_me = np.column_stack([getattr(estimates, name)[q] for name in ESTIMATES]).tolist()
    names = [name.removesuffix("_qm") for name in ESTIMATES]
    return tuple(
        {
            "model": model,
            **{name: known(value) for name, value in zip(names, values, strict=True)},
            "utility": known(utility[m]),
        }
        for m, (model, values) in enumerate(zip(predictions.models, value_me, strict=True))
    )
