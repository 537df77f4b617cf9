"""Outputs of a measurement: outcomes for a bank, files of the published code, a summary."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.measure.journal import EFFORT_REFUSED, TRUNCATED, CallResult
from pipelines.measure.majority_vote import arm_results
from scope.errors import ConfigError
from scope.reference import anchor_result
from scope.storage import atomic_file, atomic_folder, stream_json_array

OUTCOMES, ANCHOR_RESULTS = "outcomes.parquet", "anchor_results"


def write_outcomes(folder: Path, rows: Iterable[CallResult]) -> None:
    """Write the outcomes for ``scope bank build`` and ``add-model``, without failed calls.

    An arm with several samples has one outcome per question. The bytes depend on the results
    only, not on their order.
    """
    answered = _answered(rows)
    columns: dict[str, tuple[list[Any], pa.DataType]] = {
        "question_id": ([row.question_id for row in answered], pa.string()),
        "model": ([row.model for row in answered], pa.string()),
        "correct": ([row.correct for row in answered], pa.float32()),
        "prompt_tokens": ([row.prompt_tokens for row in answered], pa.int32()),
        "completion_tokens": ([row.completion_tokens for row in answered], pa.int32()),
    }
    table = pa.table({name: pa.array(*column) for name, column in columns.items()})
    with atomic_file(folder / OUTCOMES) as draft:
        pq.write_table(table, draft, compression="zstd")


def write_anchor_results(folder: Path, rows: Iterable[CallResult]) -> None:
    """Write ``anchor_results/MODEL/anchor_results.json``, as ``--anchor-dir`` expects it.

    Only graded answers: the published code counts all others as wrong.
    """
    rows_of: Mapping[str, list[CallResult]] = defaultdict(list)
    for row in _answered(rows):
        if row.correct is not None:
            rows_of[row.model].append(row)
    with atomic_folder(folder / ANCHOR_RESULTS, replace=True) as draft:
        for model, graded in rows_of.items():
            model_folder = draft / _folder_of(model)
            model_folder.mkdir()
            with stream_json_array(model_folder / "anchor_results.json", "[", "]") as append:
                for row in graded:
                    append(
                        anchor_result(
                            row.question_id,
                            row.model,
                            row.correct or 0.0,
                            (row.prompt_tokens, row.completion_tokens),
                        )
                    )


def check_folder_collisions(models: Iterable[str]) -> None:
    """Raise `ConfigError` if the results of two models would share a folder."""
    taken: dict[str, str] = {}
    for model in models:
        other = taken.setdefault(_folder_of(model), model)
        if other != model:
            raise ConfigError(
                f"models {other!r} and {model!r} would share the folder "
                f"{ANCHOR_RESULTS}/{_folder_of(model)}; measure them into different outputs"
            )


def summary(rows: Iterable[CallResult], models: Sequence[str]) -> list[dict[str, Any]]:
    """Return one entry per arm: answers and grades of questions, errors and cost of calls."""
    rows_of: Mapping[str, list[CallResult]] = defaultdict(list)
    for row in rows:
        rows_of[row.model].append(row)
    return [_entry(model, rows_of[model]) for model in models]


def _answered(rows: Iterable[CallResult]) -> list[CallResult]:
    """Return the results of questions that an arm answered, by question and arm."""
    results = [row for row in arm_results(rows) if row.error is None]
    return sorted(results, key=lambda row: (row.question_id, row.model))


def _folder_of(model: str) -> str:
    """Return the name of a model's folder, without slashes."""
    return model.replace("/", "_")


def _entry(model: str, rows: Sequence[CallResult]) -> dict[str, Any]:
    answered = _answered(rows)
    grades = [row.correct for row in answered if row.correct is not None]
    return {
        "model": model,
        "answered": len(answered),
        "accuracy": sum(grades) / len(grades) if grades else None,
        "ungradable": len(answered) - len(grades),
        "truncated": sum(row.message == TRUNCATED for row in rows),
        "errors": dict(Counter(row.error for row in rows if row.error is not None)),
        "refused": next((row.message for row in rows if row.error == EFFORT_REFUSED), None),
        "usd": sum(row.usd for row in rows),
        "possibly_billed_usd": sum(row.possibly_billed_usd for row in rows),
    }
