"""Learned routers relative to one reference: N-label and N-class, fitted on the anchors."""

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray
from scope.baselines import LogisticBaseline, TrainingSet

MAX_STEPS = 200


def match_labels(quality_am: FloatArray, reference: int) -> FloatArray:
    """Return 1 where an arm is at least as good as the reference, else 0; NaN where unknown.

    Examples
    --------
    >>> match_labels(np.array([[0.0, 1.0], [1.0, 1.0], [np.nan, 0.0]]), 1)
    array([[ 0.,  1.],
           [ 1.,  1.],
           [nan,  1.]])
    """
    reference_a1 = quality_am[:, [reference]]
    match_am = np.where(quality_am >= reference_a1, 1.0, 0.0)
    return np.where(np.isnan(quality_am + reference_a1), np.nan, match_am)


def best_arms(quality_am: FloatArray, mean_usd_m: FloatArray) -> IntArray:
    """Return the best arm of each anchor: of equally good ones the cheapest on average.

    Examples
    --------
    >>> best_arms(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]), np.array([1.0, 9.0, 3.0]))
    array([2, 0])
    """
    order_m = np.argsort(mean_usd_m, kind="stable")
    best_a: IntArray = order_m[np.argmax(quality_am[:, order_m], axis=1)]
    return best_a


class NLabelBaseline:
    """One logistic regression for each arm on its match labels; HybridLLM's det for two arms.

    Parameters
    ----------
    training : TrainingSet
    validation_a : ndarray of bool, shape (n_anchors,)
        Anchors on which the penalty is selected.
    reference : int
        Column of the reference.
    """

    def __init__(self, training: TrainingSet, validation_a: BoolArray, reference: int) -> None:
        self._reference = reference
        labels_am = match_labels(training.correct_am, reference)
        self._fit = LogisticBaseline(TrainingSet(training.design_af, labels_am), validation_a)
        self.strength = self._fit.strength

    def predict(self, design_qf: FloatArray) -> FloatArray:
        """Return match probabilities of shape (n_questions, n_arms); 1 for the reference."""
        p_qm = self._fit.predict(design_qf)
        p_qm[:, self._reference] = 1.0
        return p_qm


class NClassBaseline:
    """A softmax regression on the best arm of each anchor: a single operating point.

    Anchors without the outcomes of all arms are left out.

    Parameters
    ----------
    training : TrainingSet
    mean_usd_m : ndarray of shape (n_arms,)
        Mean cost of a question; equally good arms go to the cheapest.
    strength : float
        Inverse ridge penalty.
    """

    def __init__(self, training: TrainingSet, mean_usd_m: FloatArray, strength: float) -> None:
        from sklearn.linear_model import LogisticRegression

        complete_a = ~np.isnan(training.correct_am).any(axis=1)
        label_a = best_arms(training.correct_am[complete_a], mean_usd_m)
        self._only = int(label_a[0]) if len(set(label_a.tolist())) == 1 else None
        if self._only is None:
            self._model = LogisticRegression(C=strength, max_iter=MAX_STEPS)
            self._model.fit(training.design_af[complete_a], label_a)

    def choose(self, design_qf: FloatArray) -> IntArray:
        """Return the arm of each question."""
        if self._only is not None:
            return np.full(len(design_qf), self._only)
        chosen_q: IntArray = self._model.predict(design_qf)
        return chosen_q
