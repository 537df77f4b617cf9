"""The published code: its two-stage policy and its file formats, reproduced."""

from scope.reference.formats import (
    anchor_result,
    read_anchor_performance,
    read_selection,
    read_similarity,
    selection_entry,
    similarity_entry,
)
from scope.reference.parity import SelectionGroundTruth, oracle_budgets, routing_results
from scope.reference.two_stage import prepare

__all__ = [
    "SelectionGroundTruth",
    "anchor_result",
    "oracle_budgets",
    "prepare",
    "read_anchor_performance",
    "read_selection",
    "read_similarity",
    "routing_results",
    "selection_entry",
    "similarity_entry",
]
