"""Logistic regression for each model: the linear baseline. Wraps scikit-learn."""

import numpy as np
from scipy.special import expit

from scope.arrays import BoolArray, FloatArray
from scope.baselines.inputs import TrainingSet, known_log_loss

C_GRID = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
"""Inverse ridge penalties; the best on the validation anchors is kept."""


class LogisticBaseline:
    """One regression per model, on the anchors where it was measured.

    A model whose answers are all correct or all wrong is predicted at its mean.

    Parameters
    ----------
    training : TrainingSet
    validation_a : ndarray of bool, shape (n_anchors,)
        Anchors on which the penalty is selected, before the fit on all anchors.
    """

    def __init__(self, training: TrainingSet, validation_a: BoolArray) -> None:
        rest, validation = training.select(~validation_a), training.select(validation_a)
        losses = {
            strength: known_log_loss(
                _FittedLogistic(rest, strength).predict(validation.design_af), validation.correct_am
            )
            for strength in C_GRID
        }
        self.strength = min(losses, key=losses.__getitem__)
        self._fit = _FittedLogistic(training, self.strength)

    def predict(self, design_qf: FloatArray) -> FloatArray:
        """Return probabilities of shape (n_questions, n_models)."""
        return self._fit.predict(design_qf)


class _FittedLogistic:
    """The regressions of all models at one penalty, as one matrix."""

    def __init__(self, training: TrainingSet, strength: float) -> None:
        mean_m = training.mean_m()
        self._slope_fm = np.zeros((training.design_af.shape[1], len(mean_m)))
        self._offset_m = np.log(mean_m / (1 - mean_m))
        for m in range(len(mean_m)):
            self._fit_model(training, m, strength)

    def _fit_model(self, training: TrainingSet, m: int, strength: float) -> None:
        from sklearn.linear_model import LogisticRegression

        known_a = ~np.isnan(training.correct_am[:, m])
        design_af, correct_a = training.design_af[known_a], training.correct_am[known_a, m]
        # Partial credit c is a correct answer of weight c and a wrong one of weight 1 - c.
        weight_n = np.concatenate([correct_a, 1 - correct_a])
        label_n = np.concatenate([np.ones(len(correct_a)), np.zeros(len(correct_a))])
        some_n = weight_n > 0
        if len(np.unique(label_n[some_n])) < 2:
            return
        model = LogisticRegression(C=strength, max_iter=300)
        model.fit(np.vstack([design_af] * 2)[some_n], label_n[some_n], weight_n[some_n])
        self._slope_fm[:, m], self._offset_m[m] = model.coef_[0], model.intercept_[0]

    def predict(self, design_qf: FloatArray) -> FloatArray:
        p_qm: FloatArray = expit(design_qf @ self._slope_fm + self._offset_m)
        return p_qm
