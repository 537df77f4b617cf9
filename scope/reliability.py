"""How far foretold probabilities can be trusted: order, sharpness, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats, Ints

N_BINS = 15
SURE = 1e-3
"""Log loss takes probabilities within ``SURE`` and ``1 - SURE``, lest one boast decide it."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts of about the same probability, and what came of them."""

    n: int
    mean_p: float
    share_correct: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Quality of probabilities on cells whose outcome is known.

    Attributes
    ----------
    n : int
        Cells, each a question asked of one model.
    auc : float
        Probability that a right answer was thought likelier than a wrong one, in
        [0, 1]; NaN if all answers are right or all wrong.
    brier, log_loss, ece : float
        Lower is better. `ece` is the mean gap between forecast and outcome over
        `N_BINS` bins of equal mass.
    bins : tuple of Bin
        From the lowest forecast to the highest.
    """

    n: int
    auc: float
    brier: float
    log_loss: float
    ece: float
    bins: tuple[Bin, ...]

    @property
    def note(self) -> str:
        """Say why there is no AUC; empty where there is one."""
        if self.auc == self.auc:  # NaN alone differs from itself
            return ""
        kind = "right" if self.bins[0].share_correct > 0 else "wrong"
        return f"no AUC: all {self.n:,} answers are {kind}"

    @classmethod
    def of(cls, p_n: Floats, correct_n: Floats) -> "Reliability":
        """Measure forecasts; cells where either is NaN are left out.

        Raises
        ------
        ValueError
            If no cell is left: there is nothing to measure.
        """
        known_n = ~np.isnan(p_n + correct_n)
        p, correct = p_n[known_n], correct_n[known_n]
        if not p.size:
            raise ValueError("no forecast has a known outcome")
        bins = equal_mass_bins(p, correct)
        return cls(
            len(p), auc(p, correct), brier(p, correct), log_loss(p, correct), ece(bins), bins
        )


def auc(p_n: Floats, correct_n: Floats) -> float:
    """Return the area under the ROC curve; ties count half.

    An answer of part credit ``c`` counts as ``c`` right and ``1 - c`` wrong answers.

    Returns
    -------
    float
        NaN where all answers are right, or all wrong: no pair can be compared.

    Examples
    --------
    >>> auc(np.array([0.9, 0.6, 0.6, 0.1]), np.array([1.0, 1.0, 0.0, 0.0]))
    0.875
    """
    order = np.argsort(p_n, kind="stable")
    starts = np.flatnonzero(np.diff(p_n[order], prepend=-np.inf) > 0)
    right_t = np.add.reduceat(correct_n[order], starts)
    wrong_t = np.add.reduceat(1 - correct_n[order], starts)
    pairs = right_t.sum() * wrong_t.sum()
    if not pairs > 0:
        return float("nan")
    below_t = np.cumsum(wrong_t) - wrong_t
    return float((right_t * (below_t + wrong_t / 2)).sum() / pairs)


def brier(p_n: Floats, correct_n: Floats) -> float:
    """Return the mean squared distance of forecast and outcome, in [0, 1]."""
    return float(np.mean((p_n - correct_n) ** 2))


def log_loss(p_n: Floats, correct_n: Floats) -> float:
    """Return the mean negative log likelihood, in nats, of forecasts kept off 0 and 1."""
    p = p_n.clip(SURE, 1 - SURE)
    return float(-np.mean(correct_n * np.log(p) + (1 - correct_n) * np.log1p(-p)))


def ece(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean gap of the bins, by their mass."""
    n = sum(one.n for one in bins)
    return float(sum(one.n * abs(one.mean_p - one.share_correct) for one in bins) / n)


def equal_mass_bins(p_n: Floats, correct_n: Floats, n_bins: int = N_BINS) -> tuple[Bin, ...]:
    """Cut forecasts at their quantiles into bins of about equal size.

    Equal forecasts share a bin, so that the order of questions cannot matter; bins
    that are left empty by ties are left out.

    Examples
    --------
    >>> [b.n for b in equal_mass_bins(np.array([0.1, 0.2, 0.2, 0.9]), np.ones(4), 2)]
    [3, 1]
    """
    levels = np.arange(1, n_bins) / n_bins
    edges = np.quantile(p_n, levels, method="inverted_cdf")
    bin_n: Ints = np.searchsorted(edges, p_n, side="left")
    return tuple(_bin(p_n[bin_n == b], correct_n[bin_n == b]) for b in np.unique(bin_n))


def _bin(p_n: Floats, correct_n: Floats) -> Bin:
    return Bin(len(p_n), float(p_n.mean()), float(correct_n.mean()))


@dataclass(frozen=True, slots=True)
class LengthError:
    """How far foretold completion tokens are off, as medians; NaN if no length is known."""

    n: int
    tokens: float
    """Median distance, tokens."""
    relative: float
    """Median distance as a share of the real length, over answers of at least one token."""

    @classmethod
    def of(cls, foretold_n: Floats, real_n: Floats) -> "LengthError":
        """Measure forecasts of length; cells where either is NaN are left out."""
        known_n = ~np.isnan(foretold_n + real_n)
        off, real = np.abs(foretold_n - real_n)[known_n], real_n[known_n]
        some = real > 0
        return cls(
            len(off),
            float(np.median(off)) if off.size else float("nan"),
            float(np.median(off[some] / real[some])) if some.any() else float("nan"),
        )
