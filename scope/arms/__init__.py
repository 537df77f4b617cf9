"""Arms, models with their settings: names, and best of n samples derived from one."""

from scope.arms.arm import EFFORTS, MAX_SAMPLES, Arm
from scope.arms.best_of_n import best_of_n_probability, pass_at_n, rank_weights
from scope.arms.columns import ArmColumns, arm_spec, assumed_arms, reprice, sampled_spec
from scope.arms.fit import fit_concentration, within_question_auc

__all__ = [
    "EFFORTS",
    "MAX_SAMPLES",
    "Arm",
    "ArmColumns",
    "arm_spec",
    "assumed_arms",
    "best_of_n_probability",
    "fit_concentration",
    "pass_at_n",
    "rank_weights",
    "reprice",
    "sampled_spec",
    "within_question_auc",
]
