"""Floors and ceilings for the metrics of an evaluation: a gate for CI."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scope.errors import EvaluationError
from scope.evaluation import ALL_MODELS
from scope.report.evaluation import MIXTURE, OURS, Evaluation

MetricGetter = Callable[[Evaluation], float]

FLOORS: dict[str, MetricGetter] = {
    "area": lambda e: e.row(OURS).area.value,
    "oracle_gap_closed": lambda e: e.row(OURS).oracle_gap_closed.value,
    "gain_over_mixture": lambda e: e.row(MIXTURE).difference.value,
    "accuracy": lambda e: e.row(OURS).at_budgets[-1].accuracy.value,
    "difference_r2": lambda e: e.quality[0].difference_r2.value,
    "auc": lambda e: e.quality[0].mean_auc.value,
}
"""Higher is better. `gain_over_mixture` is the area minus that of the random mixture."""

CEILINGS: dict[str, MetricGetter] = {
    "log_loss": lambda e: e.quality[0].pooled.log_loss.value,
    "ece": lambda e: e.quality[0].pooled.ece.value,
    "length_error": lambda e: e.quality[0].lengths[ALL_MODELS].relative.value,
}
"""Lower is better."""


@dataclass(frozen=True, slots=True)
class MetricThreshold:
    """A metric of our router and the bound on its value."""

    metric: str
    value: float

    @property
    def is_floor(self) -> bool:
        """Whether the metric must be at least `value`, else at most."""
        return self.metric in FLOORS

    def violation(self, evaluation: Evaluation) -> str:
        """Return why the threshold is violated; empty if it holds.

        An undefined metric violates every threshold.
        """
        value = (FLOORS | CEILINGS)[self.metric](evaluation)
        if math.isnan(value):
            return f"{self.metric} is not defined on these questions"
        if value < self.value if self.is_floor else value > self.value:
            side = "below its floor" if self.is_floor else "above its ceiling"
            return f"{self.metric} is {value:.4g}, {side} of {self.value:g}"
        return ""


def parse_limits(texts: Sequence[str]) -> tuple[MetricThreshold, ...]:
    """Parse thresholds written as ``metric=value``.

    Raises
    ------
    EvaluationError
        If a text is not of that form, or names an unknown metric.
    """
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> MetricThreshold:
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
