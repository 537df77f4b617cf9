"""Several samples of each model on each prompt: files, splits, pairs and router labels."""

from scope.samples.best_of_n import best_of_n_scores, draw_weights, expected, majority
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
from scope.samples.samples import Samples
from scope.samples.split import SHARES, SPLITS, Split, split_of

__all__ = [
    "LABEL_FORMS",
    "SHARES",
    "SPLITS",
    "ArmScores",
    "LabelForm",
    "MatchMargin",
    "Samples",
    "Split",
    "arm_costs",
    "best_match_margin",
    "best_of_n_scores",
    "check_suffix",
    "draw_weights",
    "expected",
    "majority",
    "match_labels",
    "mean_difference",
    "merge_samples",
    "missing_ids",
    "missing_sentences",
    "read_samples",
    "split_of",
    "write_samples",
]
