"""Logistic regression, one for each model: the linear baseline. Wraps scikit-learn."""

import numpy as np
from scipy.special import expit

from scope.arrays import BoolArray, FloatArray
from scope.evaluation.baseline_inputs import TrainingSet, known_log_loss

C_GRID = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
"""Inverse ridge penalties tried; the best on the anchors held out is kept."""


class LogisticBaseline:
    """One regression a model, on the anchors where it was measured.

    A model whose answers are all right or all wrong is forecast at its mean.

    Parameters
    ----------
    lesson : TrainingSet
    held_out_a : ndarray of bool, shape (n_anchors,)
        Anchors on which the penalty is picked, before all are fitted.
    """

    def __init__(self, lesson: TrainingSet, held_out_a: BoolArray) -> None:
        rest, exam = lesson.select(~held_out_a), lesson.select(held_out_a)
        losses = {
            strength: known_log_loss(
                _FittedLogistic(rest, strength).predict(exam.design_af), exam.correct_am
            )
            for strength in C_GRID
        }
        self.strength = min(losses, key=losses.__getitem__)
        self._fit = _FittedLogistic(lesson, self.strength)

    def predict(self, design_qf: FloatArray) -> FloatArray:
        """Return probabilities of shape (n_questions, n_models)."""
        return self._fit.predict(design_qf)


class _FittedLogistic:
    """The regressions of all models at one penalty, as one matrix."""

    def __init__(self, lesson: TrainingSet, strength: float) -> None:
        mean_m = lesson.mean_m()
        self._slope_fm = np.zeros((lesson.design_af.shape[1], len(mean_m)))
        self._offset_m = np.log(mean_m / (1 - mean_m))
        for m in range(len(mean_m)):
            self._learn(lesson, m, strength)

    def _learn(self, lesson: TrainingSet, m: int, strength: float) -> None:
        from sklearn.linear_model import LogisticRegression

        known_a = ~np.isnan(lesson.correct_am[:, m])
        design_af, right_a = lesson.design_af[known_a], lesson.correct_am[known_a, m]
        # Part credit is a right answer and a wrong one, each of its weight.
        weight_n = np.concatenate([right_a, 1 - right_a])
        label_n = np.concatenate([np.ones(len(right_a)), np.zeros(len(right_a))])
        some_n = weight_n > 0
        if len(np.unique(label_n[some_n])) < 2:
            return
        model = LogisticRegression(C=strength, max_iter=300)
        model.fit(np.vstack([design_af] * 2)[some_n], label_n[some_n], weight_n[some_n])
        self._slope_fm[:, m], self._offset_m[m] = model.coef_[0], model.intercept_[0]

    def predict(self, design_qf: FloatArray) -> FloatArray:
        p_qm: FloatArray = expit(design_qf @ self._slope_fm + self._offset_m)
        return p_qm
