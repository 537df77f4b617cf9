"""The frontier of a predicted set: its points, its numbers, its picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scope.bank import fit_alpha_scale
from scope.errors import ConfigError
from scope.evaluation import plot_frontier
from scope.policy import Choices
from scope.routing import (
    SCORE_COLUMNS,
    AlphaSweep,
    FrontierPoint,
    PlannedAndRealised,
    PredictionSource,
    RoutingScore,
    finite_or_none,
    score_json,
)

PICTURE_ALPHAS = [step / 100 for step in range(101)]
PICTURES = (".png", ".svg", ".pdf")


def check_output(output: Path | None) -> None:
    """Raise `ConfigError` unless `output` is of a kind that can be written."""
    if output is not None and output.suffix not in (*PICTURES, ".json"):
        raise ConfigError(f"output {output} ends in neither {', '.join(PICTURES)} nor .json")


def points(predicted: PredictionSource, alphas: Sequence[float]) -> list[FrontierPoint]:
    """Route the questions at every alpha."""
    sweep = AlphaSweep(fit_alpha_scale(predicted.reference, predicted.models), alphas)
    for shard in predicted.iter_shards(SCORE_COLUMNS):
        sweep.add(shard.predictions, shard.truth())
    return sweep.points()


def singles(predicted: PredictionSource) -> dict[str, RoutingScore]:
    """Return how each model does by itself: really where known, else as predicted."""
    scores = {model: PlannedAndRealised() for model in predicted.model_ids}
    for shard in predicted.iter_shards(SCORE_COLUMNS):
        n, truth = len(shard.predictions.question_ids), shard.truth()
        for m, score in enumerate(scores.values()):
            everyone = Choices(np.full(n, m, dtype=np.int64), np.ones(n, dtype=np.bool_))
            score.add(shard.predictions, everyone, truth)
    return {model: score.realised or score.planned for model, score in scores.items()}


def draw(output: Path, predicted: PredictionSource, title: str) -> None:
    """Draw the frontier with the single models and their mixes."""
    plot_frontier(output, points(predicted, PICTURE_ALPHAS), singles(predicted), title)


def to_json(rows: Sequence[FrontierPoint]) -> list[dict[str, Any]]:
    """Return the points as JSON objects; an infinite trade-off is null."""
    return [
        {
            "alpha": point.alpha,
            "trade_off": finite_or_none(point.trade_off),
            "planned": score_json(point.planned),
            "realised": point.realised and score_json(point.realised),
        }
        for point in rows
    ]
