"""Predictions with prices, reference population and outcomes, whole or in shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from scope.arms import ArmColumns
from scope.arrays import FloatArray
from scope.bank import Bank, ReferencePopulation, RoutingGain
from scope.errors import ConfigError
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

    @property
    def routing_gain(self) -> RoutingGain | None:
        """Whether routing pays on the bank, as its fit has found; None where that is unknown."""
        ...

    def with_means(self) -> Self:
        """Return the same questions, each with the mean estimates of the models."""
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
    routing_gain: RoutingGain | None = None
    has_means: bool = False
    """Whether all questions have the mean estimates of the models."""

    @classmethod
    def from_bank(
        cls, bank: Bank, estimates: Estimates, question_ids: Sequence[str]
    ) -> "PredictionSet":
        """Return what a predictor estimated from a bank, at the bank's prices."""
        predictions = Predictions(tuple(question_ids), bank.model_ids, estimates)
        return cls(predictions, bank.models, bank.reference, None, bank.routing_gain)

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
        return replace(
            self,
            predictions=replace(self.predictions, models=arms.model_ids, estimates=estimates),
            models=arms.models,
            reference=self.reference and self.reference.select_arms(arms),
            outcomes=self.outcomes and outcomes_of(self.outcomes, arms),
        )

    def with_means(self) -> "PredictionSet":
        """Return the same questions, each with the models' means over the reference population.

        The means have no intervals; what is unknown for a question stays so.

        Raises
        ------
        ConfigError
            If there is no reference population.
        """
        if self.reference is None:
            raise ConfigError(
                "policy auto needs the models' means, and the bank of these predictions has no "
                "reference population; run `scope bank fit`"
            )
        estimates = self.predictions.estimates
        known_qm = ~np.isnan(estimates.p_correct_qm + estimates.cost_usd_qm)
        means = mean_estimates(self.reference, self.models)
        value_eqm = (np.where(known_qm, value_1m, np.nan) for value_1m in means.stack())
        predictions = replace(self.predictions, estimates=Estimates.from_stack(value_eqm))
        reference = self.reference.without_bill_ratio()
        return replace(self, predictions=predictions, reference=reference, has_means=True)

    def with_prices(self, models: tuple[ModelSpec, ...]) -> "PredictionSet":
        """Return the same predictions at other prices; `models` are in their order."""
        estimates = self.predictions.estimates
        costs = (
            cost_usd(models, estimates.prompt_tokens_qm, tokens_qm)
            for tokens_qm in estimates.completion_tokens
        )
        estimates = replace(estimates, cost_usd=IntervalEstimate(*costs))
        priced = replace(self.predictions, estimates=estimates)
        reference = self.reference
        if reference is not None and models != self.models:
            reference = reference.without_bill_ratio()
        return replace(self, predictions=priced, models=models, reference=reference)

    def truth(self) -> GroundTruth | None:
        """Return the outcomes at these prices; None if unknown."""
        return (
            None if self.outcomes is None else GroundTruth.from_outcomes(self.outcomes, self.models)
        )


def mean_estimates(reference: ReferencePopulation, models: Sequence[ModelSpec]) -> Estimates:
    """Return the mean over a reference population of every model, as one question's estimates.

    A model that is unknown for some of the population has the mean over the others.
    """

    def mean_1m(value_qm: FloatArray) -> FloatArray:
        known_qm = ~np.isnan(value_qm)
        with np.errstate(invalid="ignore"):  # 0 / 0: a model without any estimate stays unknown
            mean_m: FloatArray = np.nansum(value_qm, axis=0) / known_qm.sum(axis=0)
        return mean_m[None]

    unknown_1m = np.full((1, len(models)), np.nan)

    def point(value_qm: FloatArray) -> IntervalEstimate:
        return IntervalEstimate(mean_1m(value_qm), unknown_1m, unknown_1m)

    return Estimates(
        point(reference.p_correct_qm),
        mean_1m(reference.prompt_tokens_qm),
        point(reference.completion_tokens_qm),
        point(reference.cost_usd_qm(models)),
        unknown_1m,
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
