"""Arms, models with their settings: names, and best of n samples derived from one."""

from scope.arms.arm import EFFORTS, MAX_SAMPLES, Arm
from scope.arms.best_of_n import (
    best_of_n_probability,
    pass_at_n,
    rank_weights,
    resampled_probability,
)
from scope.arms.columns import ArmColumns, arm_spec, assumed_arms, reprice, sampled_spec
from scope.arms.fit import fit_concentration, within_question_auc
from scope.arms.resampling import FittedResampling, FittedValue, fit_resampling
from scope.arms.shares import majority_shares, scored_shares

__all__ = [
    "EFFORTS",
    "MAX_SAMPLES",
    "Arm",
    "ArmColumns",
    "FittedResampling",
    "FittedValue",
    "arm_spec",
    "assumed_arms",
    "best_of_n_probability",
    "fit_concentration",
    "fit_resampling",
    "majority_shares",
    "pass_at_n",
    "rank_weights",
    "reprice",
    "resampled_probability",
    "sampled_spec",
    "scored_shares",
    "within_question_auc",
]
