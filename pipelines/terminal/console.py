"""The consoles of the command line, and its tables."""

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from scope.bank import ForecastChoice
from scope.errors import ScopeWarning
from scope.routing import FrontierPoint, RoutingScore, format_usd

# A pipe has no width; 80 columns would wrap the tables.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_result(facts: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print the result of a command for a machine or for a person."""
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        out.print(text, soft_wrap=True)


@contextmanager
def print_warnings() -> Iterator[None]:
    """Print our warnings as one sentence each, without a line of code."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, ScopeWarning):
                err.print(f"scope: {message}", markup=False)
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def format_score(score: RoutingScore | None) -> tuple[str, str]:
    """Return accuracy ± standard error and cost as text; a dash where unknown."""
    if score is None or not score.n_questions:
        return "–", "–"
    error = f" ± {100 * score.standard_error:.1f}" if score.standard_error >= 0 else ""
    return f"{100 * score.accuracy:.1f} %{error}", format_usd(score.cost_usd)


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Group:
    """Return a table under its title; all columns but the first are right-aligned."""
    view = Table(box=None, pad_edge=False, header_style="bold")
    for position, header in enumerate(headers):
        view.add_column(header, justify="left" if position == 0 else "right")
    for row in rows:
        view.add_row(*row)
    # rich wraps the title of a table to the width of its columns.
    return Group(Text(title, style="italic"), view)


def choice_table(choice: ForecastChoice) -> Group:
    """Return the table of the cross-validation that chose a bank's forecast."""
    rows = [
        (
            score.name,
            f"{score.log_loss:.4f} ± {score.standard_error:.4f}",
            score.against,
            f"{score.gain:+.4f} ± {score.gain_error:.4f}",
        )
        for score in choice.candidates
    ]
    title = f"Forecast of correctness: {choice.chosen}, by {choice.method}"
    return table(title, ("candidate", "log loss ± s.e.", "against", "better by ± s.e."), rows)


def frontier_table(points: Sequence[FrontierPoint]) -> Group:
    """Return the table of a frontier."""
    rows = []
    for point in points:
        planned, realised = format_score(point.planned), format_score(point.realised)
        rows.append((f"{point.alpha:.2f}", *planned, *realised))
    headers = ("alpha", "expected accuracy", "planned USD", "accuracy ± s.e.", "real USD")
    return table("Accuracy and cost by alpha", headers, rows)
