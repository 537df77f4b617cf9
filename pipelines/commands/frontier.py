"""``scope frontier``: accuracy and cost at every alpha, as a table, numbers or a picture."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pipelines.commands.options import (
    Allow,
    Deny,
    Json,
    Pool,
    evenly_spaced_alphas,
    open_predictions,
)
from pipelines.terminal import frontier_table, out
from scope.bank import fit_alpha_scale
from scope.errors import ConfigError
from scope.policy import Choices, describe_bill_ratios
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
from scope.storage import write_json

PICTURE_ALPHAS = evenly_spaced_alphas(101)
PICTURES = (".png", ".svg", ".pdf")


def frontier(
    predictions: Annotated[Path, typer.Option(help="Folder written by `scope predict`.")],
    output: Annotated[
        Path | None, typer.Option(help="Picture (.png, .svg, .pdf) or numbers (.json) to write.")
    ] = None,
    alpha_steps: Annotated[int, typer.Option(min=2, help="Number of alphas, from 0 to 1.")] = 11,
    pool: Pool = None,
    allow: Allow = None,
    deny: Deny = None,
    as_json: Json = False,
) -> None:
    """Show accuracy and cost at every alpha, as a table and a picture."""
    check_output(output)
    predicted = open_predictions(predictions, pool, allow, deny)
    rows = points(predicted, evenly_spaced_alphas(alpha_steps))
    numbers = to_json(rows)
    if output is not None and output.suffix == ".json":
        write_json(output, numbers)
    elif output is not None:
        draw(output, predicted, f"{predicted.manifest.n_questions:,} questions")
    if as_json:
        typer.echo(json.dumps(numbers))
    else:
        out.print(frontier_table(rows))
        if note := describe_bill_ratios([point.bill_ratio for point in rows]):
            out.print(note, soft_wrap=True)


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


def single_models(predicted: PredictionSource) -> dict[str, RoutingScore]:
    """Return the score of each model on all questions: realised where known, else predicted."""
    scores = {model: PlannedAndRealised() for model in predicted.model_ids}
    for shard in predicted.iter_shards(SCORE_COLUMNS):
        n, truth = len(shard.predictions.question_ids), shard.truth()
        for m, score in enumerate(scores.values()):
            all_to_one = Choices(np.full(n, m, dtype=np.int64), np.ones(n, dtype=np.bool_))
            score.add(shard.predictions, all_to_one, truth)
    return {model: score.realised or score.planned for model, score in scores.items()}


def draw(output: Path, predicted: PredictionSource, title: str) -> None:
    """Draw the frontier with the single models and their random mixtures."""
    from scope.evaluation import plot_frontier

    plot_frontier(output, points(predicted, PICTURE_ALPHAS), single_models(predicted), title)


def to_json(rows: Sequence[FrontierPoint]) -> list[dict[str, Any]]:
    """Return the points as JSON objects; an infinite trade-off is null."""
    return [
        {
            "alpha": point.alpha,
            "trade_off": finite_or_none(point.trade_off),
            "bill_ratio": point.bill_ratio,
            "planned": score_json(point.planned),
            "realised": point.realised and score_json(point.realised),
        }
        for point in rows
    ]
