"""Route predictions under an objective; offline and online share this code."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from scope.arms import Arm, assumed_arms
from scope.bank import RoutingGain, fit_alpha_scale
from scope.errors import ConfigError
from scope.policy import (
    AlphaScale,
    Choices,
    ExpectedValue,
    MaxCost,
    MinQuality,
    Policy,
    filter_models,
    plan_budget_streamed,
)
from scope.predictions import COLUMNS, Predictions
from scope.routing.frontier import AlphaSweep
from scope.routing.metrics import GroundTruth, finite_or_none
from scope.routing.prediction_set import PredictionSet, PredictionSource
from scope.routing.routing import DECISION_COLUMNS, SCORE_COLUMNS, RoutingResult, RoutingSummary


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective of a routing: exactly one of the values.

    With `auto`, questions are told apart only where routing is shown to pay on the bank.
    Elsewhere every question has the mean estimates of the models, so that an alpha, a quality
    or a cost gives one model for all of them, and a budget the best mix of models.
    """

    alpha: float | None = None
    budget_usd: float | None = None
    min_quality: float | None = None
    max_cost_usd: float | None = None
    auto: bool = False

    def __post_init__(self) -> None:
        names = tuple(field.name for field in fields(self) if field.name != "auto")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"exactly one of {', '.join(names)} must be the "
                f"objective; got {' and '.join(given) or 'none'}"
            )

    @property
    def settings(self) -> dict[str, float]:
        """The value by its name, and `auto` where it is set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v for name, v in values.items() if v is not None and v is not False}

    def uses_means(self, gain: RoutingGain | None) -> bool:
        """Return whether every question gets the mean estimates of the models."""
        return self.auto and not (gain is not None and gain.pays)

    def policy(self, alpha_scale: AlphaScale | None) -> Policy:
        """Return the policy for an objective other than a budget.

        Parameters
        ----------
        alpha_scale : AlphaScale or None
            Of the eligible models at their prices; only an alpha needs it.

        Raises
        ------
        ConfigError
            If the value is out of range.
        """
        if self.alpha is not None:
            assert alpha_scale is not None
            return ExpectedValue(alpha_scale.trade_off(self.alpha))
        if self.min_quality is not None:
            return MinQuality(self.min_quality)
        assert self.max_cost_usd is not None  # a budget needs all questions: `BoundPolicy.bind`
        return MaxCost(self.max_cost_usd)


Source = TypeVar("Source", bound=PredictionSource)


def restrict_models(
    predicted: Source,
    pool: tuple[str, ...] | None,
    allowed: tuple[str, ...],
    denied: tuple[str, ...],
) -> Source:
    """Return the predictions for the models of a pool that the lists leave.

    Without a pool, `allowed` may name several samples of a predicted model.
    """
    several = (arm for arm in allowed if Arm.parse(arm).n_samples > 1)
    models = pool or tuple(dict.fromkeys((*predicted.model_ids, *several)))
    return predicted.select_models(filter_models(models, allowed=allowed, denied=denied))


def route(
    predicted: PredictionSet, objective: Objective, alpha_scale: AlphaScale | None = None
) -> RoutingResult:
    """Choose a model for every question.

    Parameters
    ----------
    predicted : PredictionSet
        Predictions for the eligible models.
    objective : Objective
    alpha_scale : AlphaScale, optional
        Of exactly these models at these prices; fitted if an alpha needs one and none is given.

    Raises
    ------
    ConfigError
        If the objective is out of range.
    NoEvidenceError
        If the objective is a budget and no question has known estimates.
    """
    if objective.uses_means(predicted.routing_gain):
        predicted = predicted.with_means()
    ((routing, _),) = BoundPolicy.bind(predicted, objective, alpha_scale).routings(predicted)
    return routing


def route_to_file(
    output: Path,
    predicted: PredictionSource,
    objective: Objective,
    curve_alphas: Sequence[float] = (),
) -> RoutingSummary:
    """Choose a model for every question and write a routing file, a shard at a time.

    Reads the predictions twice, or three times for a budget, and once more for the Pareto curve
    over `curve_alphas`, which is written where outcomes are known. Raises the same errors as
    `route`.
    """
    if objective.uses_means(predicted.routing_gain):
        predicted = predicted.with_means()
    bound = BoundPolicy.bind(predicted, objective)
    summary = RoutingSummary.from_routings(bound.routings(predicted, SCORE_COLUMNS))
    summary = replace(summary, assumed=assumed_arms(predicted.models))
    if curve_alphas and summary.realised is not None:
        summary = replace(summary, pareto_curve=_pareto_curve(predicted, curve_alphas))
    routings = bound.routings(predicted, DECISION_COLUMNS)
    decisions = (decision for routing, truth in routings for decision in routing.decisions(truth))
    summary.write(output, decisions)
    return summary


@dataclass(frozen=True, slots=True)
class BoundPolicy:
    """An objective bound to given predictions: decides any of their questions.

    Attributes
    ----------
    policy : Policy
    settings : dict of str to float
        As in a `RoutingResult`.
    choose : callable
        From predictions and the index of their first question among all, to choices.
    overshoot_usd, bill_ratio : float
        As in a `RoutingResult`.
    """

    policy: Policy
    settings: dict[str, float]
    choose: Callable[[Predictions, int], Choices]
    overshoot_usd: float = 0.0
    bill_ratio: float = 1.0

    @classmethod
    def bind(
        cls,
        predicted: PredictionSource,
        objective: Objective,
        alpha_scale: AlphaScale | None = None,
    ) -> "BoundPolicy":
        """Bind an objective; only a budget reads all questions for that."""
        if objective.budget_usd is not None:
            shards = (shard.predictions for shard in predicted.iter_shards(SCORE_COLUMNS))
            scale = None
            if predicted.reference is not None:
                scale = fit_alpha_scale(predicted.reference, predicted.models)
            plan = plan_budget_streamed(shards, objective.budget_usd, scale)
            spent = ExpectedValue(plan.trade_off)
            settings = objective.settings | spent.settings
            settings["optimal_alpha"] = scale.alpha(plan.trade_off) if scale else math.nan
            return cls(spent, settings, plan.choose, plan.overshoot_usd, plan.bill_ratio)
        if objective.alpha is not None and alpha_scale is None:
            alpha_scale = fit_alpha_scale(predicted.reference, predicted.models)
        policy, bill_ratio = objective.policy(alpha_scale), 1.0
        if objective.alpha is not None and alpha_scale is not None:
            bill_ratio = alpha_scale.bill_ratio_at(objective.alpha)

        def choose(predictions: Predictions, _: int) -> Choices:
            estimates = predictions.estimates
            return policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)

        settings = objective.settings | policy.settings
        return cls(policy, settings, choose, bill_ratio=bill_ratio)

    def routings(
        self, predicted: PredictionSource, columns: Sequence[str] = COLUMNS
    ) -> Iterator[tuple[RoutingResult, GroundTruth | None]]:
        """Yield the decisions shard by shard, each with the ground truth if known."""
        first = 0
        for shard in predicted.iter_shards(columns):
            predictions = shard.predictions
            choices = self.choose(predictions, first)
            first += len(predictions.question_ids)
            routing = RoutingResult(
                self.policy.name,
                self.settings,
                predictions,
                choices,
                self.overshoot_usd,
                shard.has_means,
                self.bill_ratio,
            )
            yield routing, shard.truth()


def _pareto_curve(
    predicted: PredictionSource, alphas: Sequence[float]
) -> list[dict[str, float | None]] | None:
    """Return realised accuracy and cost at every alpha; None without a reference population."""
    if predicted.reference is None:
        return None
    sweep = AlphaSweep(fit_alpha_scale(predicted.reference, predicted.models), alphas)
    for shard in predicted.iter_shards(SCORE_COLUMNS):
        sweep.add(shard.predictions, shard.truth())
    return [
        {
            "alpha": point.alpha,
            "accuracy": finite_or_none(point.realised.accuracy),
            "total_cost": finite_or_none(point.realised.cost_usd),
            "average_cost": finite_or_none(point.realised.usd_per_1k / 1000),
        }
        for point in sweep.points()
        if point.realised is not None
    ]
