"""Numbers that an evaluation must not fall below, or rise above: a gate for CI."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scope.errors import EvaluationError
from scope.evaluation.evaluation import MIX, OURS, Evaluation
from scope.evaluation.forecast_quality import ALL_MODELS

MetricGetter = Callable[[Evaluation], float]

FLOORS: dict[str, MetricGetter] = {
    "area": lambda e: e.standing(OURS).area.value,
    "area_share": lambda e: e.standing(OURS).oracle_gap_closed.value,
    "area_gain": lambda e: e.standing(MIX).difference.value,
    "accuracy": lambda e: e.standing(OURS).at_budgets[-1].accuracy.value,
    "pgr": lambda e: e.standing(OURS).at_budgets[-1].pgr.value,
    "auc": lambda e: e.quality[0].mean_auc.value,
    "pooled_auc": lambda e: e.quality[0].pooled.auc.value,
}
"""Higher is better. `area_gain` is the area above the mix of single models."""

CEILINGS: dict[str, MetricGetter] = {
    "brier": lambda e: e.quality[0].pooled.brier.value,
    "log_loss": lambda e: e.quality[0].pooled.log_loss.value,
    "ece": lambda e: e.quality[0].pooled.ece.value,
    "length_error": lambda e: e.quality[0].lengths[ALL_MODELS].relative.value,
}
"""Lower is better."""


@dataclass(frozen=True, slots=True)
class MetricThreshold:
    """A metric of our router and the value it must keep to."""

    metric: str
    value: float

    @property
    def is_floor(self) -> bool:
        """Whether the metric must be at least `value`, else at most."""
        return self.metric in FLOORS

    def violation(self, evaluation: Evaluation) -> str:
        """Say by what the limit is broken; empty where it is kept.

        A number that is not defined breaks every limit.
        """
        found = (FLOORS | CEILINGS)[self.metric](evaluation)
        if math.isnan(found):
            return f"{self.metric} is not defined on these questions"
        if found < self.value if self.is_floor else found > self.value:
            side = "below its floor" if self.is_floor else "above its ceiling"
            return f"{self.metric} is {found:.4g}, {side} of {self.value:g}"
        return ""


def parse_limits(texts: Sequence[str]) -> tuple[MetricThreshold, ...]:
    """Read limits written as ``metric=value``.

    Raises
    ------
    EvaluationError
        If one is not of that form, or names no metric.
    """
    return tuple(_parsed(text) for text in texts)


def _parsed(text: str) -> MetricThreshold:
    metric, _, number = text.partition("=")
    if metric not in FLOORS | CEILINGS:
        raise EvaluationError(
            f"limit {text!r} names no known metric; floors are {', '.join(FLOORS)}, "
            f"ceilings {', '.join(CEILINGS)}"
        )
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise EvaluationError(f"limit {text!r} has no number; expected {metric}=NUMBER")
    return MetricThreshold(metric, value)
