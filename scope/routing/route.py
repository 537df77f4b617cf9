"""Route a predicted set by what is asked of it; the same offline and online."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

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
    """What is asked of a routing: one of these."""

    alpha: float | None = None
    budget_usd: float | None = None
    min_quality: float | None = None
    max_cost_usd: float | None = None

    def __post_init__(self) -> None:
        names = [field.name for field in fields(self)]
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"exactly one of {', '.join(names)} says what to aim for; "
                f"got {' and '.join(given) or 'none'}"
            )


Some = TypeVar("Some", bound=PredictionSource)


def restrict_models(
    predicted: Some,
    pool: tuple[str, ...] | None,
    allowed: tuple[str, ...],
    denied: tuple[str, ...],
) -> Some:
    """Return the part of `predicted` that a pool and the lists permit."""
    models = pool or predicted.model_ids
    return predicted.select_models(filter_models(models, allowed=allowed, denied=denied))


def route(
    predicted: PredictionSet, target: Objective, dial: AlphaScale | None = None
) -> RoutingResult:
    """Choose a model for every question.

    Parameters
    ----------
    predicted : PredictionSet
        Of the permitted models.
    target : Objective
    dial : AlphaScale, optional
        Of exactly these models at these prices; fitted if an alpha needs one and none is given.

    Raises
    ------
    ConfigError
        If the target is out of range.
    NoEvidenceError
        If a budget was asked for and nothing is known.
    """
    ((routing, _),) = BoundPolicy.bind(predicted, target, dial).routings(predicted)
    return routing


def route_to_file(
    output: Path,
    predicted: PredictionSource,
    target: Objective,
    curve_alphas: Sequence[float] = (),
) -> RoutingSummary:
    """Choose a model for every question and write a routing file, a shard at a time.

    Reads the predictions two times, with a budget three times, and once more for the Pareto
    curve over `curve_alphas`, which is written where outcomes are known. Raises the same errors
    as `route`.
    """
    rule = BoundPolicy.bind(predicted, target)
    summary = RoutingSummary.from_routings(rule.routings(predicted, SCORE_COLUMNS))
    if curve_alphas and summary.realised is not None:
        summary = replace(summary, pareto_curve=_pareto_curve(predicted, curve_alphas))
    routings = rule.routings(predicted, DECISION_COLUMNS)
    summary.write(output, (one for routing, truth in routings for one in routing.decisions(truth)))
    return summary


@dataclass(frozen=True, slots=True)
class BoundPolicy:
    """What a target comes to for given predictions: enough to decide on any of their questions.

    Attributes
    ----------
    name : str
    settings : dict of str to float
        As in a `RoutingResult`.
    choose : callable
        From predictions, and the place of their first question among all, to choices.
    overshoot_usd : float
    """

    name: str
    settings: dict[str, float]
    choose: Callable[[Predictions, int], Choices]
    overshoot_usd: float = 0.0

    @classmethod
    def bind(
        cls, predicted: PredictionSource, target: Objective, dial: AlphaScale | None = None
    ) -> "BoundPolicy":
        """Fix the rule; only a budget has to see all questions for that."""
        if target.budget_usd is not None:
            shards = (shard.predictions for shard in predicted.iter_shards(SCORE_COLUMNS))
            spent = plan_budget_streamed(shards, target.budget_usd)
            settings = {
                "budget_usd": target.budget_usd,
                "trade_off": spent.trade_off,
                "optimal_alpha": _equivalent_alpha(predicted, spent.trade_off),
            }
            return cls("expected_value", settings, spent.choose, spent.overshoot_usd)
        if target.alpha is not None and dial is None:
            dial = predicted.alpha_scale()
        name, policy, settings = build_policy(target, dial)
        return cls(name, settings, partial(_by_policy, policy))

    def routings(
        self, predicted: PredictionSource, columns: Sequence[str] = COLUMNS
    ) -> Iterator[tuple[RoutingResult, GroundTruth | None]]:
        """Yield the decisions shard by shard, each with what really happened if known."""
        first = 0
        for shard in predicted.iter_shards(columns):
            predictions = shard.predictions
            choices = self.choose(predictions, first)
            first += len(predictions.question_ids)
            routing = RoutingResult(
                self.name, self.settings, predictions, choices, self.overshoot_usd
            )
            yield routing, shard.truth()


def _pareto_curve(
    predicted: PredictionSource, alphas: Sequence[float]
) -> list[dict[str, float | None]] | None:
    """Return realised accuracy and cost at every alpha; None without a reference population."""
    try:
        sweep = AlphaSweep(predicted.alpha_scale(), alphas)
    except ConfigError:
        return None
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


def _equivalent_alpha(predicted: PredictionSource, trade_off: float) -> float:
    """Return the alpha with this trade-off; NaN if the bank has no reference population."""
    try:
        return predicted.alpha_scale().alpha(trade_off)
    except ConfigError:
        return float("nan")


def _by_policy(policy: Policy, predictions: Predictions, _: int) -> Choices:
    estimates = predictions.estimates
    return policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)


def build_policy(
    target: Objective, dial: AlphaScale | None
) -> tuple[str, Policy, dict[str, float]]:
    """Return the name, the rule and the settings of a target that is no budget.

    Parameters
    ----------
    target : Objective
    dial : AlphaScale or None
        Of the permitted models at their prices; needed for an alpha.
    """
    if target.alpha is not None:
        assert dial is not None  # an alpha means nothing without one
        trade_off = dial.trade_off(target.alpha)
        settings = {"alpha": target.alpha, "trade_off": trade_off}
        return "expected_value", ExpectedValue(trade_off), settings
    if target.min_quality is not None:
        return "min_quality", MinQuality(target.min_quality), {"min_quality": target.min_quality}
    limit_usd = target.max_cost_usd
    assert limit_usd is not None  # a Target has exactly one value
    return "max_cost_usd", MaxCost(limit_usd), {"max_cost_usd": limit_usd}
