"""Terminal output: results, progress and seconds per stage of a job."""

from pipelines.terminal.console import (
    choice_table,
    err,
    format_score,
    frontier_table,
    out,
    print_result,
    print_warnings,
    table,
)
from pipelines.terminal.progress import progress
from pipelines.terminal.stages import FreeResources, Stages

__all__ = [
    "FreeResources",
    "Stages",
    "choice_table",
    "err",
    "format_score",
    "frontier_table",
    "out",
    "print_result",
    "print_warnings",
    "progress",
    "table",
]
