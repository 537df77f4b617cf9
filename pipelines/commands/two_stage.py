"""Route as the published code does: its three files in, its routing form out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scope.reference import (
    SelectionGroundTruth,
    oracle_budgets,
    prepare,
    read_anchor_performance,
    read_selection,
    read_similarity,
    routing_results,
)


@dataclass(frozen=True, slots=True)
class ReferenceFiles:
    """The three files that the published router takes."""

    selection: Path
    similarity: Path
    anchor_performance: Path


def route_two_stage(
    files: ReferenceFiles, alphas: Sequence[float], oracle_budgets_usd: Sequence[float]
) -> dict[str, Any]:
    """Route as the published code does; return its routing form.

    Raises
    ------
    FormatError
        If a file is not of the reference's form.
    ConfigError
        If an alpha or a budget is out of range.
    """
    selection = read_selection(files.selection)
    similarity = read_similarity(files.similarity)
    routed = prepare(selection, similarity, read_anchor_performance(files.anchor_performance))
    truth = SelectionGroundTruth(selection, routed)
    return {
        "routing": routing_results(routed, truth, alphas),
        "budgets": oracle_budgets(routed, truth, oracle_budgets_usd),
    }
