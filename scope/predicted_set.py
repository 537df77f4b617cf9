"""Predictions with all that is needed to route them, whole or a portion at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from scope.calibration import Calibration, fit_dial
from scope.dial import Dial
from scope.metrics import Truth
from scope.outcomes import Outcomes
from scope.pool import ModelSpec, cost_usd, positions
from scope.predictions import COLUMNS, Predictions


class Predicted(Protocol):
    """Predictions for a set of questions, in memory or not."""

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Names of the models, in their order."""
        ...

    def of_pool(self, wanted: tuple[str, ...]) -> Self:
        """Return the part of a pool: its models only, in its order."""
        ...

    def dial(self) -> Dial:
        """Fit the dial of exactly these models at their prices."""
        ...

    def shards(self, columns: Sequence[str] = COLUMNS) -> Iterator["PredictedSet"]:
        """Yield all questions, some at a time, as often as asked; other estimates may be NaN."""
        ...


@dataclass(frozen=True, slots=True)
class PredictedSet:
    """Predictions with their prices, the population of their dial and, if known, the truth."""

    predictions: Predictions
    models: tuple[ModelSpec, ...]
    calibration: Calibration | None
    outcomes: Outcomes | None

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Names of the models, in their order."""
        return self.predictions.models

    def shards(self, columns: Sequence[str] = COLUMNS) -> Iterator["PredictedSet"]:
        """Yield the set itself: all of it is in memory."""
        yield self

    def of_pool(self, wanted: tuple[str, ...]) -> "PredictedSet":
        """Return the part of a pool: its models only, in its order."""
        columns = positions(wanted, self.predictions.models, "the predictions")
        return PredictedSet(
            self.predictions.of_pool(wanted),
            tuple(self.models[column] for column in columns),
            self.calibration and self.calibration.columns(columns),
            self.outcomes and self.outcomes.columns(columns),
        )

    def with_prices(self, models: tuple[ModelSpec, ...]) -> "PredictedSet":
        """Return the same predictions at other prices; `models` are in their order."""
        estimates = self.predictions.estimates
        costs = {
            f"cost_usd{end}_qm": cost_usd(
                models,
                estimates.prompt_tokens_qm,
                getattr(estimates, f"completion_tokens{end}_qm"),
            )
            for end in ("", "_low", "_high")
        }
        priced = replace(self.predictions, estimates=replace(estimates, **costs))
        return replace(self, predictions=priced, models=models)

    def dial(self) -> Dial:
        """Fit the dial of exactly these models at these prices.

        Raises
        ------
        ConfigError
            If the bank behind the predictions was never calibrated.
        """
        return fit_dial(self.calibration, self.models)

    def truth(self) -> Truth | None:
        """Return what really happened, at these prices; None if nobody knows."""
        return None if self.outcomes is None else Truth.of(self.outcomes, self.models)
