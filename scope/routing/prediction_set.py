"""Predictions with prices, reference population and outcomes, whole or in shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from scope.arms import ArmColumns
from scope.bank import Bank, ReferencePopulation
from scope.outcomes import Outcomes
from scope.pool import ModelSpec, cost_usd
from scope.predictions import COLUMNS, Estimates, IntervalEstimate, Predictions
from scope.routing.metrics import GroundTruth


class PredictionSource(Protocol):
    """Predictions for a set of questions, in memory or on disk."""

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Names of the models, in their order."""
        ...

    def select_models(self, wanted: tuple[str, ...]) -> Self:
        """Return the part of a pool, in its order; several samples of a model are derived."""
        ...

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """The models with their prices, in the same order."""
        ...

    @property
    def reference(self) -> ReferencePopulation | None:
        """The bank's reference population of these models; None if the bank was not fitted."""
        ...

    def iter_shards(self, columns: Sequence[str] = COLUMNS) -> Iterator["PredictionSet"]:
        """Yield all questions in shards; estimates not in `columns` may be NaN."""
        ...


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """Predictions with prices, the reference population and, if known, the outcomes."""

    predictions: Predictions
    models: tuple[ModelSpec, ...]
    reference: ReferencePopulation | None
    outcomes: Outcomes | None

    @classmethod
    def from_bank(
        cls, bank: Bank, estimates: Estimates, question_ids: Sequence[str]
    ) -> "PredictionSet":
        """Return what a predictor estimated from a bank, at the bank's prices."""
        predictions = Predictions(tuple(question_ids), bank.model_ids, estimates)
        return cls(predictions, bank.models, bank.reference, None)

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Names of the models, in their order."""
        return self.predictions.models

    def iter_shards(self, columns: Sequence[str] = COLUMNS) -> Iterator["PredictionSet"]:
        """Yield the set itself, which is in memory."""
        yield self

    def select_models(self, wanted: tuple[str, ...]) -> "PredictionSet":
        """Return the part of a pool, in its order; several samples of a model are derived."""
        arms = ArmColumns.resolve(wanted, self.models, "the predictions")
        estimates = arms.estimates(self.predictions.estimates)
        return PredictionSet(
            replace(self.predictions, models=arms.model_ids, estimates=estimates),
            arms.models,
            self.reference and self.reference.select_arms(arms),
            self.outcomes and outcomes_of(self.outcomes, arms),
        )

    def with_prices(self, models: tuple[ModelSpec, ...]) -> "PredictionSet":
        """Return the same predictions at other prices; `models` are in their order."""
        estimates = self.predictions.estimates
        costs = (
            cost_usd(models, estimates.prompt_tokens_qm, tokens_qm)
            for tokens_qm in estimates.completion_tokens
        )
        estimates = replace(estimates, cost_usd=IntervalEstimate(*costs))
        priced = replace(self.predictions, estimates=estimates)
        return replace(self, predictions=priced, models=models)

    def truth(self) -> GroundTruth | None:
        """Return the outcomes at these prices; None if unknown."""
        return (
            None if self.outcomes is None else GroundTruth.from_outcomes(self.outcomes, self.models)
        )


def outcomes_of(outcomes: Outcomes, arms: ArmColumns) -> Outcomes | None:
    """Return the outcomes of a pool; None if those of a derived arm are unknown.

    A score over the questions that other arms answered would not be that of the choices.
    """
    if not arms.is_derived:
        return outcomes.select_models(arms.columns)
    found = outcomes.reindex(arms.model_ids, len(outcomes.correct_am))
    known_am = ~np.isnan(found.correct_am[:, list(arms.derived)])
    return found if known_am.any(axis=0).all() else None
