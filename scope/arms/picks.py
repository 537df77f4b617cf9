"""What a selector picks among some of the drawn samples, by how many of them are correct."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arms.likelihood import covariance, maximise
from scope.arms.shares import majority_shares, scored_shares
from scope.arrays import BoolArray, FloatArray, IntArray

SIZES = (2, 3, 5, 10)
"""Numbers of samples among which a selector picks."""

N_DRAWS = 40
"""Random subsets of each size and question."""

MIN_SHARE = 1e-3
"""Shares are clipped to this and its complement: real answers are not extracted perfectly."""


PRIOR_SD_SCORED = np.array([2.0, 1.0])
"""Of log odds and log exponent."""

PRIOR_SD_MAJORITY = np.array([1.0, 2.0])
"""Of log odds and log diversity."""


def cells_of(n_samples: int) -> slice:
    """Return which cells of `Picks` belong to one of `SIZES`."""
    start = sum(n + 1 for n in SIZES if n < n_samples)
    return slice(start, start + n_samples + 1)


@dataclass(frozen=True, slots=True)
class Picks:
    """Picks of a selector among random subsets of the samples of each question.

    Attributes
    ----------
    is_majority : bool
    drawn_qn : ndarray of shape (n_questions, n_cells)
        Share of the subsets of a size with k correct samples. Cells are (size, k) for `SIZES` and
        k = 0..size, in this order; 0 in all cells of a size that a question lacks samples for.
    right_qn : ndarray of shape (n_questions, n_cells)
        The part of it where the pick is correct.
    """

    is_majority: bool
    drawn_qn: FloatArray
    right_qn: FloatArray

    @classmethod
    def draw(cls, correct_qo: FloatArray, value_qo: FloatArray, is_majority: bool) -> "Picks":
        """Let the selector pick among `N_DRAWS` subsets of each size.

        Parameters
        ----------
        correct_qo : ndarray of shape (n_questions, n_samples)
            1 or 0; NaN where there is no graded sample.
        value_qo : ndarray of shape (n_questions, n_samples)
            Scores, or for a majority a number for each different answer. A sample with NaN is
            picked only if all of its subset are NaN.
        is_majority : bool
        """
        known_qo = ~np.isnan(correct_qo)
        known_q = known_qo.sum(axis=1)
        drawn_qn, right_qn = np.zeros((2, len(correct_qo), cells_of(SIZES[-1]).stop))
        rng = np.random.default_rng(0)
        for _ in range(N_DRAWS):
            order_qo = np.where(known_qo, rng.random(known_qo.shape), np.inf).argsort(axis=1)
            for n in SIZES:
                rows = np.flatnonzero(known_q >= n)
                cells = rows[:, None], order_qo[rows, :n]
                right_no = correct_qo[cells] > 0.5
                chance_no = _pick_chance(value_qo[cells], is_majority)
                at = rows, cells_of(n).start + right_no.sum(axis=1)
                drawn_qn[at] += 1 / N_DRAWS
                right_qn[at] += (chance_no * right_no).sum(axis=1) / N_DRAWS
        return cls(is_majority, drawn_qn, right_qn)

    @property
    def is_mixed(self) -> bool:
        """Whether any subset has both correct and wrong samples."""
        cells = [cells_of(n) for n in SIZES]
        return any(self.drawn_qn[:, c.start + 1 : c.stop - 1].any() for c in cells)

    def select(self, rows_q: BoolArray | IntArray) -> "Picks":
        """Return the picks of some questions."""
        return Picks(self.is_majority, self.drawn_qn[rows_q], self.right_qn[rows_q])

    @classmethod
    def joined(cls, parts: Sequence["Picks"]) -> "Picks":
        """Return the picks of several models as those of one."""
        arrays = zip(*((part.drawn_qn, part.right_qn) for part in parts), strict=True)
        return cls(parts[0].is_majority, *map(np.vstack, arrays))

    def most_likely(self) -> FloatArray:
        """Return the log parameters with the highest likelihood."""
        total = Picks(
            self.is_majority,
            self.drawn_qn.sum(axis=0, keepdims=True),
            self.right_qn.sum(axis=0, keepdims=True),
        )
        return maximise(total.log_likelihood, self._prior_sd_x)

    def fit(self) -> tuple[FloatArray, FloatArray]:
        """Return the most likely log parameters and their standard errors."""
        best_x = self.most_likely()
        spread_xx = covariance(self.log_likelihood, best_x, self._prior_sd_x)
        return best_x, np.sqrt(np.diag(spread_xx))

    @property
    def _prior_sd_x(self) -> FloatArray:
        return PRIOR_SD_MAJORITY if self.is_majority else PRIOR_SD_SCORED

    def log_likelihood(self, value_x: FloatArray) -> FloatArray:
        """Return the log likelihood of every question's picks.

        Parameters
        ----------
        value_x : ndarray of shape (2,)
            Logarithms of the odds and of the exponent, or of the diversity of a majority.
        """
        odds, other = np.exp(value_x)
        shares = majority_shares if self.is_majority else scored_shares
        share_n = np.concatenate([[0.0, *shares(n, odds, other)] for n in SIZES])
        share_n = share_n.clip(MIN_SHARE, 1 - MIN_SHARE)
        wrong_qn = self.drawn_qn - self.right_qn
        total_q: FloatArray = self.right_qn @ np.log(share_n) + wrong_qn @ np.log1p(-share_n)
        return total_q


def _pick_chance(value_no: FloatArray, is_majority: bool) -> FloatArray:
    """Return the chance of each sample of a subset; equals share it."""
    rank_no = np.where(np.isnan(value_no), -np.inf, value_no)
    if is_majority:
        # NaN equals nothing, itself neither: no votes.
        rank_no = (value_no[:, :, None] == value_no[:, None, :]).sum(axis=2).astype(np.float64)
    best_no = rank_no == rank_no.max(axis=1, keepdims=True)
    chance_no: FloatArray = best_no / best_no.sum(axis=1, keepdims=True)
    return chance_no
