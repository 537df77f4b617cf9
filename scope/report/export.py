"""The numbers of an evaluation as JSON, Parquet tables and RouterArena predictions."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pyarrow as pa

from scope.evaluation import (
    ALL_MODELS,
    EvaluationSet,
    ForecastQuality,
    Interval,
    ProbabilityMetrics,
)
from scope.policy import Choices
from scope.predictions import Predictions
from scope.report.evaluation import Evaluation
from scope.routing import finite_or_none
from scope.saving import AgainstReference

SCORES = pa.schema(
    [(name, pa.string()) for name in ("table", "name", "at", "metric")]
    + [(name, pa.float64()) for name in ("value", "low", "high")]
)
"""Columns of ``scores.parquet``: `at` is a budget, a model or a share, null where there is none."""

CURVE_COLUMNS = (
    "budget_usd_per_1k",
    *("accuracy", "accuracy_low", "accuracy_high"),
    *("gain_over_mixture", "gain_over_mixture_low", "gain_over_mixture_high"),
)
CURVES = pa.schema([("name", pa.string())] + [(name, pa.float64()) for name in CURVE_COLUMNS])
"""Columns of ``curves.parquet``."""

ScoreRow = tuple[str, str, str | None, str, float, float, float]


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the numbers as one JSON object; undefined ones are null.

    Curves and the calibration bins of single models are left out.
    """
    numbers: dict[str, Any] = _json_safe(evaluation)
    del numbers["budgets_usd_per_1k"]
    for row in numbers["leaderboard"]:
        del row["curve"], row["gain_over_mixture"]
    for quality in numbers["quality"]:
        for metrics in quality["by_model"].values():
            del metrics["bins"]
    return {"schema_version": 1, **numbers}


def to_table(evaluation: Evaluation) -> pa.Table:
    """Return one row for every number and its interval; null where undefined."""
    rows = [
        *_leaderboard_rows(evaluation),
        *_single_model_rows(evaluation),
        *_planned_cost_rows(evaluation),
    ]
    for quality in evaluation.quality:
        rows += _quality_rows(quality)
    if evaluation.against_reference:
        rows += _reference_rows(evaluation.against_reference)
    return _table(rows, SCORES)


def curves(evaluation: Evaluation) -> pa.Table:
    """Return the accuracy of every strategy at each budget of the area."""
    rows = [
        (
            row.name,
            budget,
            reached.value,
            reached.low,
            reached.high,
            gain.value,
            gain.low,
            gain.high,
        )
        for row in evaluation.leaderboard
        for budget, reached, gain in zip(
            evaluation.budgets_usd_per_1k, row.curve, row.gain_over_mixture, strict=True
        )
    ]
    return _table(rows, CURVES)


def _table(rows: Iterable[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table(
        [
            pa.array([_json_safe(value) for value in column], field.type)
            for column, field in zip(columns, schema, strict=True)
        ],
        schema=schema,
    )


def _leaderboard_rows(evaluation: Evaluation) -> Iterator[ScoreRow]:
    for row in evaluation.leaderboard:
        metrics = ("area", "difference", "oracle_gap_closed")
        yield from _score_rows("leaderboard", row.name, None, row, metrics)
        for point in row.at_budgets:
            budget = point.budget_usd_per_1k
            at = "any cost" if budget is None else f"{budget:g} USD per 1k"
            at_budget = ("accuracy", "usd_per_1k")
            yield from _score_rows("leaderboard", row.name, at, point, at_budget)


def _single_model_rows(evaluation: Evaluation) -> Iterator[ScoreRow]:
    metrics = ("accuracy", "usd_per_1k", "difference")
    for row in evaluation.single_models:
        yield from _score_rows("single_models", row.name, None, row, metrics)


def _planned_cost_rows(evaluation: Evaluation) -> Iterator[ScoreRow]:
    plan = ("planned_accuracy", "planned_usd_per_1k", "bill_ratio")
    metrics = (*plan, "accuracy", "usd_per_1k", "cost_ratio")
    for row in evaluation.planned_costs:
        yield from _score_rows("planned_costs", row.name, None, row, metrics)


def _quality_rows(quality: ForecastQuality) -> Iterator[ScoreRow]:
    own = ("mean_auc", "auc_difference", "log_loss_difference", "difference_r2")
    yield from _score_rows("quality", quality.name, None, quality, own)
    for model, scores in [(ALL_MODELS, quality.pooled), *quality.by_model.items()]:
        metrics = ("n", "auc", "log_loss", "ece")
        yield from _score_rows("quality", quality.name, model, scores, metrics)
    for model, error in quality.lengths.items():
        key = "quality", quality.name, model
        yield _score_row(*key, "length_error_tokens", error.tokens)
        yield _score_row(*key, "length_error_relative", error.relative)


def _reference_rows(section: AgainstReference) -> Iterator[ScoreRow]:
    table, of_hull = "against_reference", ("drop", "gap_recovered", "gain_over_hull")
    for sweep in section.sweeps:
        for saved in sweep.at_savings:
            yield from _score_rows(table, sweep.name, f"{saved.saving:g} saved", saved, of_hull)
        for sent in sweep.at_shares:
            metrics = ("drop", "gain_over_random")
            yield from _score_rows(table, sweep.name, f"{sent.share:g} small", sent, metrics)
    for row in section.fixed_points:
        yield from _score_rows(table, row.name, None, row, ("saving", *of_hull))


def _score_rows(
    table: str, name: str, at: str | None, source: object, metrics: Iterable[str]
) -> Iterator[ScoreRow]:
    """Yield one row for each of some attributes, all of them intervals or numbers."""
    for metric in metrics:
        yield _score_row(table, name, at, metric, getattr(source, metric))


def _score_row(
    table: str, name: str, at: str | None, metric: str, value: Interval | float
) -> ScoreRow:
    if isinstance(value, Interval):
        return table, name, at, metric, value.value, value.low, value.high
    return table, name, at, metric, float(value), math.nan, math.nan


def _json_safe(value: object) -> Any:  # noqa: ANN401 (JSON is anything)
    """Return dataclasses as objects and tuples as lists; NaN and infinity are null."""
    if is_dataclass(value):
        plain = {field.name: _json_safe(getattr(value, field.name)) for field in fields(value)}
        return {**plain, "note": value.note} if isinstance(value, ProbabilityMetrics) else plain
    if isinstance(value, dict):
        return {key: _json_safe(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_json_safe(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def prediction_entries(
    test_set: EvaluationSet, predictions: Predictions, choices: Choices
) -> list[dict[str, Any]]:
    """Return decisions in the form of RouterArena's ``router_inference/predictions``.

    `generated_result` is null, as before RouterArena's inference: a bank stores outcomes,
    not answers. `cost` (USD) and `accuracy` are the stored outcome of the chosen model,
    null if it was not measured; `prompt` is null in a bank without texts.

    Parameters
    ----------
    test_set : EvaluationSet
    predictions : Predictions
        For the questions of the test set, in its order.
    choices : Choices
    """
    correct_q = choices.pick(test_set.truth.correct_qm)
    cost_usd_q = choices.pick(test_set.truth.cost_usd_qm)
    return [
        {
            "global index": question_id,
            "prompt": test_set.prompts[q] if test_set.prompts else None,
            "prediction": predictions.models[m] if m >= 0 else None,
            "generated_result": None,
            "cost": finite_or_none(cost_usd_q[q]),
            "accuracy": finite_or_none(correct_q[q]),
            "for_optimality": False,
        }
        for q, (question_id, m) in enumerate(
            zip(test_set.ids, choices.model_q.tolist(), strict=True)
        )
    ]
