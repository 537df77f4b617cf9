"""The published code, reproduced: its two-stage policy and its files."""

from scope.reference.formats import (
    AnchorPerformance,
    Selection,
    Similarity,
    anchor_performance_from_outcomes,
    anchor_performance_from_rows,
    anchor_result,
    read_anchor_performance,
    read_selection,
    read_similarity,
    selection_entry,
    similarity_entry,
)
from scope.reference.parity import N_ALPHAS, SelectionGroundTruth, published_results
from scope.reference.predicted import remove_reference_files, write_reference_files
from scope.reference.two_stage import PUBLISHED_CONFIG, TwoStageConfig, prepare

__all__ = [
    "N_ALPHAS",
    "PUBLISHED_CONFIG",
    "AnchorPerformance",
    "Selection",
    "SelectionGroundTruth",
    "Similarity",
    "TwoStageConfig",
    "anchor_performance_from_outcomes",
    "anchor_performance_from_rows",
    "anchor_result",
    "prepare",
    "published_results",
    "read_anchor_performance",
    "read_selection",
    "read_similarity",
    "remove_reference_files",
    "selection_entry",
    "similarity_entry",
    "write_reference_files",
]
