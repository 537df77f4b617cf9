"""Training data of a blend: answers of a reasoner with known outcomes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray

N_FOLDS = 5
"""Cross-validation folds; all cells of a question are in the same fold."""

MIN_QUESTIONS = 20
"""With fewer questions nothing is fitted, and the reasoner gets no weight."""

PRIOR_STRENGTH = 10.0
"""Strength of the shrinkage of a model's mean to the common mean, in questions."""


@dataclass(frozen=True, slots=True)
class LabelledAnswers:
    """Cells (question, model) with anchor forecast, answer and outcome; arrays of shape (n_cells,).

    Attributes
    ----------
    row_n, column_n : ndarray of int
        Indices of question and model.
    anchor_n : ndarray
        Anchor forecast.
    answer_n : ndarray
        Answer of the reasoner, on the same scale.
    outcome_n : ndarray
    shape : tuple of int
        Number of questions and of models.
    """

    row_n: IntArray
    column_n: IntArray
    anchor_n: FloatArray
    answer_n: FloatArray
    outcome_n: FloatArray
    shape: tuple[int, int]

    @classmethod
    def from_grids(
        cls, anchor_qm: FloatArray, answer_qm: FloatArray, outcome_qm: FloatArray
    ) -> "LabelledAnswers":
        """Keep the cells that are known in all three arrays of shape (n_questions, n_models)."""
        row_n, column_n = np.nonzero(~np.isnan(anchor_qm + answer_qm + outcome_qm))
        anchor_n, answer_n, outcome_n = (
            values_qm[row_n, column_n] for values_qm in (anchor_qm, answer_qm, outcome_qm)
        )
        n_questions, n_models = anchor_qm.shape
        return cls(row_n, column_n, anchor_n, answer_n, outcome_n, (n_questions, n_models))

    @property
    def is_sufficient(self) -> bool:
        """Whether there are enough questions, and answers that differ for some model."""
        if len(np.unique(self.row_n)) < MIN_QUESTIONS:
            return False
        first_m = np.zeros(self.shape[1])
        first_m[self.column_n[::-1]] = self.answer_n[::-1]
        return bool((self.answer_n != first_m[self.column_n]).any())

    def folds(self) -> Iterator[tuple[BoolArray, BoolArray]]:
        """Yield the training and the test cells of each fold."""
        for fold in range(N_FOLDS):
            test_n = np.unique(self.row_n, return_inverse=True)[1] % N_FOLDS == fold
            yield ~test_n, test_n

    def select(self, kept_n: BoolArray) -> "LabelledAnswers":
        """Return some of the cells."""
        return LabelledAnswers(
            self.row_n[kept_n],
            self.column_n[kept_n],
            self.anchor_n[kept_n],
            self.answer_n[kept_n],
            self.outcome_n[kept_n],
            self.shape,
        )

    def means_m(self, value_n: FloatArray) -> FloatArray:
        """Return each model's mean, shrunk to the common mean; NaN for a model without a cell."""
        n_m = np.bincount(self.column_n, minlength=self.shape[1])
        total_m = np.bincount(self.column_n, value_n, minlength=self.shape[1])
        means_m = (total_m + PRIOR_STRENGTH * value_n.mean()) / (n_m + PRIOR_STRENGTH)
        return np.where(n_m > 0, means_m, np.nan)

    def is_significant(self, gain_n: FloatArray) -> bool:
        """Return whether a gain exceeds one standard error over questions."""
        gain_q = np.bincount(self.row_n, gain_n, minlength=self.shape[0])[np.unique(self.row_n)]
        return bool(gain_q.sum() > np.sqrt(len(gain_q)) * gain_q.std(ddof=1))
