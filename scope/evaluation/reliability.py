"""Quality of predicted probabilities: AUC, log loss, calibration error."""

import math
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.evaluation.bootstrap import Interval
from scope.evaluation.calibration_bins import CalibrationBin, calibration_gaps, ece, equal_mass_bins
from scope.evaluation.weighted import WeightedPairs, auc

MIN_PROBABILITY = 1e-3
"""Log loss clips probabilities to this and its complement, so that no single one dominates."""


@dataclass(frozen=True, slots=True)
class ProbabilityScores:
    """Scores of probabilities in every resample of the questions, the sample itself first.

    Attributes
    ----------
    n : int
        Number of (question, model) cells.
    auc_r, log_loss_r : ndarray of shape (n_replicates + 1,)
        NaN where undefined.
    gap_rb : ndarray of shape (n_replicates + 1, n_bins)
        As `scope.evaluation.calibration_bins.calibration_gaps` returns them.
    bins : tuple of CalibrationBin
        Of the sample.
    """

    n: int
    auc_r: FloatArray
    log_loss_r: FloatArray
    gap_rb: FloatArray
    bins: tuple[CalibrationBin, ...]

    @classmethod
    def from_pairs(cls, cells: WeightedPairs) -> "ProbabilityScores":
        """Score predicted probabilities of a correct answer.

        Raises
        ------
        ValueError
            If there is no cell.
        """
        p_n, correct_n = cells.forecast_n, cells.outcome_n
        if not p_n.size:
            raise ValueError("no forecast has a known outcome")
        bin_n = equal_mass_bins(p_n)
        return cls(
            len(p_n),
            auc(cells),
            cells.mean(pointwise_log_loss(p_n, correct_n)),
            calibration_gaps(cells, bin_n),
            CalibrationBin.from_pairs(cells, bin_n),
        )


@dataclass(frozen=True, slots=True)
class ProbabilityMetrics:
    """Quality of probabilities on cells with a known outcome.

    Attributes
    ----------
    n : int
        Number of (question, model) cells.
    auc : Interval
        Probability that a correct answer had a higher forecast than a wrong one, in
        [0, 1]; NaN if all answers are correct or all wrong.
    log_loss, ece : Interval
        Lower is better. `ece` is the mean gap between forecast and outcome over
        bins of equal mass.
    bins : tuple of CalibrationBin
        From the lowest forecast to the highest.
    """

    n: int
    auc: Interval
    log_loss: Interval
    ece: Interval
    bins: tuple[CalibrationBin, ...]

    @property
    def note(self) -> str:
        """Return why there is no AUC; empty if there is one."""
        if not math.isnan(self.auc.value):
            return ""
        kind = "correct" if self.bins[0].share_correct > 0 else "wrong"
        return f"no AUC: all {self.n:,} answers are {kind}"

    @classmethod
    def from_scores(cls, scores: ProbabilityScores) -> "ProbabilityMetrics":
        """Compute value and interval from the scores of every resample."""
        return cls(
            scores.n,
            Interval.from_replicates(scores.auc_r),
            Interval.from_replicates(scores.log_loss_r),
            ece(scores.gap_rb),
            scores.bins,
        )


def log_loss(p_n: FloatArray, correct_n: FloatArray) -> float:
    """Return the mean negative log likelihood, in nats, of forecasts clipped off 0 and 1."""
    return float(pointwise_log_loss(p_n, correct_n).mean())


def pointwise_log_loss(p_n: FloatArray, correct_n: FloatArray) -> FloatArray:
    """Return the negative log likelihood of each outcome, in nats."""
    p = p_n.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    loss_n: FloatArray = -correct_n * np.log(p) - (1 - correct_n) * np.log1p(-p)
    return loss_n
