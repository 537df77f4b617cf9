"""The frontier of a predicted set: its points, its numbers, its picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scope.errors import ConfigError
from scope.frontier import Point, frontier, planned
from scope.metrics import Score
from scope.plot import plot_frontier
from scope.policy import Choices
from scope.predictions_store import PredictedSet
from scope.routing import known, score_json

PICTURE_ALPHAS = [step / 100 for step in range(101)]
PICTURES = (".png", ".svg", ".pdf")


def check_output(output: Path | None) -> None:
    """Raise `ConfigError` unless `output` is of a kind that can be written."""
    if output is not None and output.suffix not in (*PICTURES, ".json"):
        raise ConfigError(f"output {output} ends in neither {', '.join(PICTURES)} nor .json")


def points(predicted: PredictedSet, alphas: Sequence[float]) -> list[Point]:
    """Route the set at every alpha."""
    return frontier(predicted.predictions, predicted.dial(), alphas, predicted.truth())


def singles(predicted: PredictedSet) -> dict[str, Score]:
    """Return how each model does by itself: really where known, else as predicted."""
    truth, models = predicted.truth(), predicted.predictions.models
    if truth is not None:
        return {model: truth.of_model(m) for m, model in enumerate(models)}
    n = len(predicted.predictions.question_ids)
    everyone = np.ones(n, dtype=np.bool_)
    return {
        model: planned(predicted.predictions, Choices(np.full(n, m, dtype=np.int64), everyone))
        for m, model in enumerate(models)
    }


def draw(output: Path, predicted: PredictedSet, title: str) -> None:
    """Draw the frontier with the single models and their mixes."""
    plot_frontier(output, points(predicted, PICTURE_ALPHAS), singles(predicted), title)


def to_json(rows: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the points as JSON objects; an infinite trade-off is null."""
    return [
        {
            "alpha": point.alpha,
            "trade_off": known(point.trade_off),
            "planned": score_json(point.planned),
            "realised": point.realised and score_json(point.realised),
        }
        for point in rows
    ]
