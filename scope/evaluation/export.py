"""The numbers of an evaluation for machines: JSON, and rows of tables."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pyarrow as pa

from scope.evaluation.bootstrap import Interval
from scope.evaluation.evaluation import Evaluation
from scope.evaluation.forecast_quality import ALL_MODELS, ForecastQuality
from scope.evaluation.reliability import ProbabilityMetrics
from scope.evaluation.test_set import EvaluationSet
from scope.policy import Choices
from scope.predictions import Predictions
from scope.routing import finite_or_none

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("table", "name", "at", "metric")]
    + [(name, pa.float64()) for name in ("value", "low", "high")]
)
"""Columns of ``scores.parquet``: `at` is a budget or a model, null where there is none."""

CURVE_COLUMNS = (
    "budget_usd_per_1k",
    *("accuracy", "accuracy_low", "accuracy_high"),
    *("gain_over_mixture", "above_mix_low", "above_mix_high"),
)
CURVES = pa.schema([("name", pa.string())] + [(name, pa.float64()) for name in CURVE_COLUMNS])
"""Columns of ``curves.parquet``."""

Row = tuple[str, str, str | None, str, float, float, float]


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the numbers as one JSON object; what is not defined is null.

    Curves and the bins of single models are left out.
    """
    numbers: dict[str, Any] = _json_safe(evaluation)
    del numbers["budgets_usd_per_1k"]
    for standing in numbers["leaderboard"]:
        del standing["curve"], standing["gain_over_mixture"]
    for quality in numbers["quality"]:
        for one in quality["by_model"].values():
            del one["bins"]
    return {"schema_version": 1, **numbers}


def to_table(evaluation: Evaluation) -> pa.Table:
    """Return one row for every number and its interval; null where not defined."""
    rows = [*_standings(evaluation), *_fixed(evaluation), *_promises(evaluation)]
    for quality in evaluation.quality:
        rows += _quality(quality)
    columns = zip(*rows, strict=True)
    return pa.table(
        [
            pa.array([_json_safe(value) for value in column], field.type)
            for column, field in zip(columns, SCHEMA, strict=True)
        ],
        schema=SCHEMA,
    )


def curves(evaluation: Evaluation) -> pa.Table:
    """Return the accuracy of every way to choose at each budget of the area."""
    rows = [
        (one.name, budget, reached.value, reached.low, reached.high, gap.value, gap.low, gap.high)
        for one in evaluation.leaderboard
        for budget, reached, gap in zip(
            evaluation.budgets_usd_per_1k, one.curve, one.gain_over_mixture, strict=True
        )
    ]
    columns = [[_json_safe(value) for value in column] for column in zip(*rows, strict=True)]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, CURVES, strict=True)],
        schema=CURVES,
    )


def _standings(evaluation: Evaluation) -> Iterator[Row]:
    for one in evaluation.leaderboard:
        for metric in ("area", "difference", "oracle_gap_closed"):
            yield _row("leaderboard", one.name, None, metric, getattr(one, metric))
        for at in one.at_budgets:
            budget = at.budget_usd_per_1k
            place = "any cost" if budget is None else f"{budget:g} USD per 1k"
            for metric in ("accuracy", "usd_per_1k", "pgr"):
                yield _row("leaderboard", one.name, place, metric, getattr(at, metric))


def _fixed(evaluation: Evaluation) -> Iterator[Row]:
    for one in evaluation.single_models:
        for metric in ("accuracy", "usd_per_1k", "difference"):
            yield _row("single_models", one.name, None, metric, getattr(one, metric))


def _promises(evaluation: Evaluation) -> Iterator[Row]:
    for one in evaluation.planned_costs:
        for metric in ("planned_accuracy", "planned_usd_per_1k"):
            yield _row("planned_costs", one.name, None, metric, getattr(one, metric))
        for metric in ("accuracy", "usd_per_1k", "cost_ratio"):
            yield _row("planned_costs", one.name, None, metric, getattr(one, metric))


def _quality(quality: ForecastQuality) -> Iterator[Row]:
    for metric in ("mean_auc", "ours_minus_auc", "ours_minus_log_loss"):
        yield _row("quality", quality.name, None, metric, getattr(quality, metric))
    for model, one in [(ALL_MODELS, quality.pooled), *quality.by_model.items()]:
        for metric in ("n", "auc", "brier", "log_loss", "ece"):
            yield _row("quality", quality.name, model, metric, getattr(one, metric))
    for model, error in quality.lengths.items():
        yield _row("quality", quality.name, model, "length_error_tokens", error.tokens)
        yield _row("quality", quality.name, model, "length_error_relative", error.relative)


def _row(table: str, name: str, at: str | None, metric: str, value: Interval | float) -> Row:
    if isinstance(value, Interval):
        return table, name, at, metric, value.value, value.low, value.high
    return table, name, at, metric, float(value), math.nan, math.nan


def _json_safe(value: object) -> Any:  # noqa: ANN401 (JSON is anything)
    """Return values, tuples and mappings as JSON has them; NaN and infinity are null."""
    if is_dataclass(value):
        plain = {field.name: _json_safe(getattr(value, field.name)) for field in fields(value)}
        return {**plain, "note": value.note} if isinstance(value, ProbabilityMetrics) else plain
    if isinstance(value, dict):
        return {key: _json_safe(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_json_safe(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def prediction_entries(
    exam: EvaluationSet, predictions: Predictions, choices: Choices
) -> list[dict[str, Any]]:
    """Return decisions in the form of RouterArena's ``router_inference/predictions``.

    `generated_result` is null, as in a file that its inference has not filled yet: a
    bank keeps outcomes, no answers. `cost` (USD) and `accuracy` are what the chosen
    model's stored outcome says, null where it was never run; `prompt` is null in a
    bank without texts.

    Parameters
    ----------
    exam : EvaluationSet
    predictions : Predictions
        For the questions of the exam, in its order.
    choices : Choices
    """
    correct_q = choices.pick(exam.truth.correct_qm)
    cost_usd_q = choices.pick(exam.truth.cost_usd_qm)
    return [
        {
            "global index": question_id,
            "prompt": exam.prompts[q] if exam.prompts else None,
            "prediction": predictions.models[m] if m >= 0 else None,
            "generated_result": None,
            "cost": finite_or_none(cost_usd_q[q]),
            "accuracy": finite_or_none(correct_q[q]),
            "for_optimality": False,
        }
        for q, (question_id, m) in enumerate(zip(exam.ids, choices.model_q.tolist(), strict=True))
    ]
