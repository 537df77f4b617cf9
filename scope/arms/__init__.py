"""Arms, models with their settings: names, and best of n samples derived from one."""

from scope.arms.arm import EFFORTS, MAX_SAMPLES, Arm
from scope.arms.best_of_n import (
    best_of_n_probability,
    pass_at_n,
    rank_weights,
    resampled_probability,
)
from scope.arms.columns import (
    ArmColumns,
    arm_price,
    arm_spec,
    assumed_arms,
    reprice,
    resampled_arms,
    sampled_spec,
    select_arms,
    spec_of_one_call,
)
from scope.arms.fit import fit_concentration, within_question_auc
from scope.arms.fitted_resampling import FittedResampling, FittedValue
from scope.arms.resampling import fit_resampling
from scope.arms.shares import majority_shares, scored_shares

__all__ = [
    "EFFORTS",
    "MAX_SAMPLES",
    "Arm",
    "ArmColumns",
    "FittedResampling",
    "FittedValue",
    "arm_price",
    "arm_spec",
    "assumed_arms",
    "best_of_n_probability",
    "fit_concentration",
    "fit_resampling",
    "majority_shares",
    "pass_at_n",
    "rank_weights",
    "reprice",
    "resampled_arms",
    "resampled_probability",
    "sampled_spec",
    "scored_shares",
    "select_arms",
    "spec_of_one_call",
    "within_question_auc",
]
