"""Route a predicted set by what is asked of it; the same offline and online."""

from dataclasses import dataclass, fields

from scope.budget import plan_budget
from scope.dial import Dial
from scope.errors import ConfigError
from scope.policy import ExpectedValue, MaxCost, MinQuality, Policy, permitted
from scope.predictions_store import PredictedSet
from scope.routing import Routing


@dataclass(frozen=True, slots=True)
class Target:
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


def narrowed(
    predicted: PredictedSet,
    pool: tuple[str, ...] | None,
    allowed: tuple[str, ...],
    denied: tuple[str, ...],
) -> PredictedSet:
    """Return the part of `predicted` that a pool and the lists permit."""
    models = pool or predicted.predictions.models
    return predicted.of_pool(permitted(models, allowed=allowed, denied=denied))


def route(predicted: PredictedSet, target: Target, dial: Dial | None = None) -> Routing:
    """Choose a model for every question.

    Parameters
    ----------
    predicted : PredictedSet
        Of the permitted models.
    target : Target
    dial : Dial, optional
        Of exactly these models at these prices; fitted if an alpha needs one and none is given.

    Raises
    ------
    ConfigError
        If the target is out of range.
    NoEvidenceError
        If a budget was asked for and nothing is known.
    """
    if target.budget_usd is not None:
        plan = plan_budget(predicted.predictions, target.budget_usd)
        settings = {"budget_usd": target.budget_usd, "trade_off": plan.trade_off}
        return Routing(
            "expected_value", settings, predicted.predictions, plan.choices, plan.overshoot_usd
        )
    name, policy, settings = _policy(predicted, target, dial)
    estimates = predicted.predictions.estimates
    choices = policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)
    return Routing(name, settings, predicted.predictions, choices)


def _policy(
    predicted: PredictedSet, target: Target, dial: Dial | None
) -> tuple[str, Policy, dict[str, float]]:
    if target.alpha is not None:
        trade_off = (dial or predicted.dial()).trade_off(target.alpha)
        settings = {"alpha": target.alpha, "trade_off": trade_off}
        return "expected_value", ExpectedValue(trade_off), settings
    if target.min_quality is not None:
        return "min_quality", MinQuality(target.min_quality), {"min_quality": target.min_quality}
    limit_usd = target.max_cost_usd
    assert limit_usd is not None  # a Target has exactly one value
    return "max_cost_usd", MaxCost(limit_usd), {"max_cost_usd": limit_usd}
