"""How far foretold probabilities can be trusted: order, sharpness, calibration."""

import math
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.evaluation.bootstrap import Interval
from scope.evaluation.calibration_bins import CalibrationBin, calibration_gaps, ece, equal_mass_bins
from scope.evaluation.weighted import WeightedPairs, auc

MIN_PROBABILITY = 1e-3
"""Log loss takes probabilities within ``SURE`` and ``1 - SURE``, lest one boast decide it."""


@dataclass(frozen=True, slots=True)
class ProbabilityScores:
    """What probabilities score in every resample of the questions, the sample itself first.

    Attributes
    ----------
    n : int
        Cells, each a question asked of one model.
    auc_r, brier_r, log_loss_r : ndarray of shape (n_replicates + 1,)
        NaN where not defined.
    gap_rb : ndarray of shape (n_replicates + 1, n_bins)
        As `scope.evaluation.calibration_bins.gaps` returns them.
    bins : tuple of CalibrationBin
        Of the sample.
    """

    n: int
    auc_r: FloatArray
    brier_r: FloatArray
    log_loss_r: FloatArray
    gap_rb: FloatArray
    bins: tuple[CalibrationBin, ...]

    @classmethod
    def from_pairs(cls, cells: WeightedPairs) -> "ProbabilityScores":
        """Measure probabilities of a right answer.

        Raises
        ------
        ValueError
            If there is no cell: there is nothing to measure.
        """
        p_n, correct_n = cells.forecast_n, cells.outcome_n
        if not p_n.size:
            raise ValueError("no forecast has a known outcome")
        bin_n = equal_mass_bins(p_n)
        return cls(
            len(p_n),
            auc(cells),
            cells.mean((p_n - correct_n) ** 2),
            cells.mean(pointwise_log_loss(p_n, correct_n)),
            calibration_gaps(cells, bin_n),
            CalibrationBin.from_pairs(cells, bin_n),
        )


@dataclass(frozen=True, slots=True)
class ProbabilityMetrics:
    """Quality of probabilities on cells whose outcome is known.

    Attributes
    ----------
    n : int
        Cells, each a question asked of one model.
    auc : Interval
        Probability that a right answer was thought likelier than a wrong one, in
        [0, 1]; NaN if all answers are right or all wrong.
    brier, log_loss, ece : Interval
        Lower is better. `ece` is the mean gap between forecast and outcome over
        bins of equal mass.
    bins : tuple of CalibrationBin
        From the lowest forecast to the highest.
    """

    n: int
    auc: Interval
    brier: Interval
    log_loss: Interval
    ece: Interval
    bins: tuple[CalibrationBin, ...]

    @property
    def note(self) -> str:
        """Say why there is no AUC; empty where there is one."""
        if not math.isnan(self.auc.value):
            return ""
        kind = "right" if self.bins[0].share_correct > 0 else "wrong"
        return f"no AUC: all {self.n:,} answers are {kind}"

    @classmethod
    def from_scores(cls, scores: ProbabilityScores) -> "ProbabilityMetrics":
        """Read value and interval off what every resample scores."""
        return cls(
            scores.n,
            Interval.from_replicates(scores.auc_r),
            Interval.from_replicates(scores.brier_r),
            Interval.from_replicates(scores.log_loss_r),
            ece(scores.gap_rb),
            scores.bins,
        )


def log_loss(p_n: FloatArray, correct_n: FloatArray) -> float:
    """Return the mean negative log likelihood, in nats, of forecasts kept off 0 and 1."""
    return float(pointwise_log_loss(p_n, correct_n).mean())


def pointwise_log_loss(p_n: FloatArray, correct_n: FloatArray) -> FloatArray:
    """Return the negative log likelihood of each outcome: what `log_loss` is the mean of."""
    p = p_n.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    surprise_n: FloatArray = -correct_n * np.log(p) - (1 - correct_n) * np.log1p(-p)
    return surprise_n
