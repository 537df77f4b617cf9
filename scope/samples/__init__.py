"""Several samples of each model on each prompt: files, splits, pairs and router labels."""

from scope.samples.best_of_n import (
    best_of_n_scores,
    check_judge,
    draw_weights,
    expected,
    majority,
)
from scope.samples.candidates import N_DRAWS, candidate_name, write_candidates
from scope.samples.cells import Cell, SamplesBuilder
from scope.samples.files import (
    check_suffix,
    merge_samples,
    missing_ids,
    missing_sentences,
    read_samples,
    write_samples,
)
from scope.samples.labels import (
    LABEL_FORMS,
    ArmScores,
    LabelForm,
    arm_costs,
    match_labels,
)
from scope.samples.margin import MatchMargin, best_match_margin, mean_difference
from scope.samples.pairs import PairRow, make_pairs, write_pairs
from scope.samples.samples import Samples, take
from scope.samples.split import SHARES, SPLITS, Split, split_of
from scope.samples.stored_splits import read_splits, splits_of

__all__ = [
    "LABEL_FORMS",
    "N_DRAWS",
    "SHARES",
    "SPLITS",
    "ArmScores",
    "Cell",
    "LabelForm",
    "MatchMargin",
    "PairRow",
    "Samples",
    "SamplesBuilder",
    "Split",
    "arm_costs",
    "best_match_margin",
    "best_of_n_scores",
    "candidate_name",
    "check_judge",
    "check_suffix",
    "draw_weights",
    "expected",
    "majority",
    "make_pairs",
    "match_labels",
    "mean_difference",
    "merge_samples",
    "missing_ids",
    "missing_sentences",
    "read_samples",
    "read_splits",
    "split_of",
    "splits_of",
    "take",
    "write_candidates",
    "write_pairs",
    "write_samples",
]
