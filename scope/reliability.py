"""How far foretold probabilities can be trusted: order, sharpness, calibration."""

import math
from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats
from scope.auc import auc
from scope.bins import Bin, ece, equal_mass_bins, gaps
from scope.bootstrap import Interval
from scope.cells import Cells

SURE = 1e-3
"""Log loss takes probabilities within ``SURE`` and ``1 - SURE``, lest one boast decide it."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What probabilities score in every resample of the questions, the sample itself first.

    Attributes
    ----------
    n : int
        Cells, each a question asked of one model.
    auc_r, brier_r, log_loss_r : ndarray of shape (n_replicates + 1,)
        NaN where not defined.
    gap_rb : ndarray of shape (n_replicates + 1, n_bins)
        As `scope.bins.gaps` returns them.
    bins : tuple of Bin
        Of the sample.
    """

    n: int
    auc_r: Floats
    brier_r: Floats
    log_loss_r: Floats
    gap_rb: Floats
    bins: tuple[Bin, ...]

    @classmethod
    def of(cls, cells: Cells) -> "Scores":
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
            cells.mean(surprise(p_n, correct_n)),
            gaps(cells, bin_n),
            Bin.each(cells, bin_n),
        )


@dataclass(frozen=True, slots=True)
class Reliability:
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
    bins : tuple of Bin
        From the lowest forecast to the highest.
    """

    n: int
    auc: Interval
    brier: Interval
    log_loss: Interval
    ece: Interval
    bins: tuple[Bin, ...]

    @property
    def note(self) -> str:
        """Say why there is no AUC; empty where there is one."""
        if not math.isnan(self.auc.value):
            return ""
        kind = "right" if self.bins[0].share_correct > 0 else "wrong"
        return f"no AUC: all {self.n:,} answers are {kind}"

    @classmethod
    def of(cls, scores: Scores) -> "Reliability":
        """Read value and interval off what every resample scores."""
        return cls(
            scores.n,
            Interval.of(scores.auc_r),
            Interval.of(scores.brier_r),
            Interval.of(scores.log_loss_r),
            ece(scores.gap_rb),
            scores.bins,
        )


def log_loss(p_n: Floats, correct_n: Floats) -> float:
    """Return the mean negative log likelihood, in nats, of forecasts kept off 0 and 1."""
    return float(surprise(p_n, correct_n).mean())


def surprise(p_n: Floats, correct_n: Floats) -> Floats:
    """Return the negative log likelihood of each outcome: what `log_loss` is the mean of."""
    p = p_n.clip(SURE, 1 - SURE)
    surprise_n: Floats = -correct_n * np.log(p) - (1 - correct_n) * np.log1p(-p)
    return surprise_n
