"""What a measurement leaves: outcomes for a bank, the published code's files, a summary."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.measure.journal import TRUNCATED, CallResult
from scope.errors import ConfigError
from scope.reference import anchor_result
from scope.storage import atomic_file, atomic_folder, stream_json_array

OUTCOMES, ANCHOR_RESULTS = "outcomes.parquet", "anchor_results"


def write_outcomes(folder: Path, rows: Iterable[CallResult]) -> None:
    """Write what ``scope bank build`` and ``add-model`` read; a failed call was never run.

    The bytes depend on the results alone, not on the order they came in.
    """
    answered = sorted((row for row in rows if row.error is None), key=lambda row: row.key)
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
    """Write ``anchor_results/MODEL/anchor_results.json``, as ``--anchor-dir`` wants it.

    Only graded answers: the published code takes anything else for wrong.
    """
    of_model: Mapping[str, list[CallResult]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.key):
        if row.error is None and row.correct is not None:
            of_model[row.model].append(row)
    with atomic_folder(folder / ANCHOR_RESULTS, replace=True) as draft:
        for model, graded in of_model.items():
            place = draft / _folder_of(model)
            place.mkdir()
            with stream_json_array(place / "anchor_results.json", "[", "]") as append:
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
    """Refuse models whose results would share a folder, before any of them is asked.

    Raises
    ------
    ConfigError
    """
    taken: dict[str, str] = {}
    for model in models:
        other = taken.setdefault(_folder_of(model), model)
        if other != model:
            raise ConfigError(
                f"models {other!r} and {model!r} would share the folder "
                f"{ANCHOR_RESULTS}/{_folder_of(model)}; measure them into different outputs"
            )


def summary(rows: Iterable[CallResult], models: Sequence[str]) -> list[dict[str, Any]]:
    """Return one entry a model: what is known of it, and what failed."""
    of_model: Mapping[str, list[CallResult]] = defaultdict(list)
    for row in rows:
        of_model[row.model].append(row)
    return [_entry(model, of_model[model]) for model in models]


def _folder_of(model: str) -> str:
    """Return the folder of a model's results: a slash would make it two."""
    return model.replace("/", "_")


def _entry(model: str, rows: Sequence[CallResult]) -> dict[str, Any]:
    answered = [row for row in rows if row.error is None]
    grades = [row.correct for row in answered if row.correct is not None]
    return {
        "model": model,
        "answered": len(answered),
        "accuracy": sum(grades) / len(grades) if grades else None,
        "ungradable": len(answered) - len(grades),
        "cut": sum(row.message == TRUNCATED for row in answered),
        "errors": dict(Counter(row.error for row in rows if row.error is not None)),
        "usd": sum(row.usd for row in rows),
        "possibly_billed_usd": sum(row.possibly_billed_usd for row in rows),
    }
