"""``scope eval``: the files it writes and what it shows."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from pipelines.commands.evaluate_experiments import Experiments
from pipelines.terminal import out, table
from scope.evaluation import TableCell
from scope.report import Evaluation, curves, tables, to_html, to_table
from scope.saving import reference_tables
from scope.storage import atomic_folder, write_json

METRICS = "metrics.json"
FILES = "report.html metrics.json scores.parquet curves.parquet predictions.json"


def write_files(
    output: Path, evaluation: Evaluation, facts: dict[str, Any], entries: list[dict[str, Any]]
) -> None:
    """Write the folder of an evaluation, whole or not at all."""
    with atomic_folder(output, replace=True) as draft:
        (draft / "report.html").write_text(to_html(evaluation), encoding="utf-8")
        write_json(draft / METRICS, facts)
        write_json(draft / "predictions.json", entries)
        for name, rows in (("scores", to_table(evaluation)), ("curves", curves(evaluation))):
            _write_parquet(rows, draft / f"{name}.parquet")


def _write_parquet(rows: pa.Table, path: Path) -> None:
    pq.write_table(rows, path, compression="zstd")


def print_evaluation(
    output: Path,
    evaluation: Evaluation,
    experiments: Experiments,
    facts: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Show an evaluation on standard output: tables, or one JSON object."""
    if as_json:
        typer.echo(json.dumps({**facts, "output": str(output)}))
        return
    out.print(tables.title(evaluation))
    if left_out := tables.exclusion_note(evaluation):
        out.print(left_out)
    views = (
        tables.area_table,
        tables.budget_table,
        tables.model_table,
        tables.forecast_table,
        tables.planned_cost_table,
    )
    section = evaluation.against_reference
    shown_tables = [view(evaluation) for view in views]
    shown_tables += reference_tables(section) if section else ()
    shown_tables += experiments.tables()
    for shown in shown_tables:
        rows = [[_cell(cell) for cell in row] for row in shown.rows]
        out.print()
        out.print(table(shown.title, shown.headers, rows))
    if note := experiments.note():
        out.print(note)
    if note := tables.planned_cost_note(evaluation):
        out.print(note, soft_wrap=True)
    out.print(f"\n{evaluation.near_duplicates}")
    out.print(f"answer lengths are off by {tables.length_error(evaluation)} (medians)")
    out.print(f"files in {output}: {FILES}", soft_wrap=True)


def _cell(cell: TableCell) -> str:
    return f"{cell.text}\n[dim]{cell.note}[/dim]" if cell.note else cell.text
