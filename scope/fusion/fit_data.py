"""Answers of a reasoner beside outcomes, as far as both are known: what a blend is fitted on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray

N_FOLDS = 5
"""Parts of the questions; each is foretold by what was fitted on the others."""

MIN_QUESTIONS = 20
"""With fewer nothing is fitted, and the reasoner has no say."""

PRIOR_STRENGTH = 10.0
"""Pull of what is particular to one model toward what is common to all, in questions."""


@dataclass(frozen=True, slots=True)
class LabelledAnswers:
    """Cells with an answer and an outcome; one number of each, ``n`` in all.

    Attributes
    ----------
    row_n, column_n : ndarray of int
        Question and model.
    known_n : ndarray
        What the anchors say.
    said_n : ndarray
        What the reasoner says, on the same scale.
    outcome_n : ndarray
    shape : tuple of int
        Questions and models in all.
    """

    row_n: IntArray
    column_n: IntArray
    anchor_n: FloatArray
    answer_n: FloatArray
    outcome_n: FloatArray
    shape: tuple[int, int]

    @classmethod
    def from_grids(
        cls, known_qm: FloatArray, predicted_qm: FloatArray, outcome_qm: FloatArray
    ) -> "LabelledAnswers":
        """Keep the cells of arrays of shape (n_questions, n_models) that are known in all."""
        row_n, column_n = np.nonzero(~np.isnan(known_qm + predicted_qm + outcome_qm))
        known_n, said_n, outcome_n = (
            values_qm[row_n, column_n] for values_qm in (known_qm, predicted_qm, outcome_qm)
        )
        n_questions, n_models = known_qm.shape
        return cls(row_n, column_n, known_n, said_n, outcome_n, (n_questions, n_models))

    @property
    def is_sufficient(self) -> bool:
        """Whether there are questions to fit on, and answers that differ for some model."""
        if len(np.unique(self.row_n)) < MIN_QUESTIONS:
            return False
        first_m = np.zeros(self.shape[1])
        first_m[self.column_n[::-1]] = self.answer_n[::-1]
        return bool((self.answer_n != first_m[self.column_n]).any())

    def folds(self) -> Iterator[tuple[BoolArray, BoolArray]]:
        """Yield the cells to fit on and those to foretell; all of a question are in one part."""
        for fold in range(N_FOLDS):
            exam_n = np.unique(self.row_n, return_inverse=True)[1] % N_FOLDS == fold
            yield ~exam_n, exam_n

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
        """Return each model's mean, drawn to that of all; NaN for a model without a cell."""
        n_m = np.bincount(self.column_n, minlength=self.shape[1])
        total_m = np.bincount(self.column_n, value_n, minlength=self.shape[1])
        means_m = (total_m + PRIOR_STRENGTH * value_n.mean()) / (n_m + PRIOR_STRENGTH)
        return np.where(n_m > 0, means_m, np.nan)

    def is_significant(self, gain_n: FloatArray) -> bool:
        """Say whether a gain exceeds one standard error, questions being drawn anew."""
        gain_q = np.bincount(self.row_n, gain_n, minlength=self.shape[0])[np.unique(self.row_n)]
        return bool(gain_q.sum() > np.sqrt(len(gain_q)) * gain_q.std(ddof=1))
