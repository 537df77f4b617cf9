"""What a question looks like beside its meaning: the form of its text, and its category."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from scope.arrays import Float32Array, FloatArray, IntArray

MIN_CATEGORY_SIZE = 20
"""Categories of fewer anchors are taken together: nothing can be learned of them alone."""

INVERSE_REGULARISATION = 0.003
"""Inverse ridge penalty of the guess of categories."""

EMBEDDING_SCALE = 3.0
"""The coordinates of unit vectors are scaled to a spread of one over this, against features of
spread 1."""


@dataclass(frozen=True, slots=True)
class TextFeatureScaler:
    """Scaling of text features: logs, centred and of spread 1 over the anchors."""

    mean_f: FloatArray
    spread_f: FloatArray

    @classmethod
    def fit(cls, features_af: FloatArray) -> "TextFeatureScaler":
        """Learn the scale of counts >= 0, shape (n_anchors, n_features)."""
        logs_af = np.log1p(features_af)
        # Rounding leaves a constant a spread of 1e-16, by which any other count is far away.
        varies_f = np.ptp(features_af, axis=0) > 0
        return cls(logs_af.mean(axis=0), np.where(varies_f, logs_af.std(axis=0), 1.0))

    def transform(self, features_qf: FloatArray) -> Float32Array:
        """Return scaled logs of shape (n_questions, n_features)."""
        scaled_qf: Float32Array = ((np.log1p(features_qf) - self.mean_f) / self.spread_f).astype(
            np.float32
        )
        return scaled_qf


@dataclass(frozen=True, slots=True)
class CategoryClassifier:
    """A guess at a question's category: multinomial regression on meaning and form.

    Attributes
    ----------
    slope_ic : ndarray of shape (n_inputs, n_categories)
    offset_c : ndarray of shape (n_categories,)
    """

    slope_ic: Float32Array
    offset_c: Float32Array

    @classmethod
    def fit(
        cls, input_ai: Float32Array, label_a: IntArray, n_categories: int
    ) -> "CategoryClassifier":
        """Learn from anchors whose categories are known.

        Parameters
        ----------
        input_ai : ndarray of shape (n_anchors, n_inputs)
            As `inputs` makes them.
        label_a : ndarray of shape (n_anchors,)
            Positions of categories; one that does not occur is never guessed.
        n_categories : int
        """
        from sklearn.linear_model import LogisticRegression

        slope_ic = np.zeros((input_ai.shape[1], n_categories), dtype=np.float32)
        offset_c = np.full(n_categories, -np.inf, dtype=np.float32)
        found = np.unique(label_a)
        offset_c[found] = 0.0
        if len(found) > 1:
            model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=300).fit(
                input_ai, label_a
            )
            # Of two classes the regression gives the second alone; the first has slope 0.
            given = found[-len(model.coef_) :]
            slope_ic[:, given], offset_c[given] = model.coef_.T, model.intercept_
        return cls(slope_ic, offset_c)

    def predict_proba(self, input_qi: Float32Array) -> Float32Array:
        """Return probabilities of shape (n_questions, n_categories); rows sum to 1."""
        posterior_qc: Float32Array = softmax(input_qi @ self.slope_ic + self.offset_c, axis=1)
        return posterior_qc


def classifier_inputs(embedding_qd: Float32Array, form_qf: Float32Array) -> Float32Array:
    """Return what categories are guessed from, shape (n_questions, n_dimensions + n_features)."""
    scale = np.float32(np.sqrt(embedding_qd.shape[1]) / EMBEDDING_SCALE)
    return np.hstack([embedding_qd * scale, form_qf], dtype=np.float32)


def encode_labels(categories: Sequence[str]) -> tuple[IntArray, int]:
    """Return the categories of anchors as numbers, those of fewer than `FEWEST` as one.

    Returns
    -------
    label_a : ndarray of shape (n_anchors,)
    n_categories : int

    Examples
    --------
    >>> encode_labels(["law"] * 20 + ["chess"])[0][-2:].tolist()
    [1, 0]
    """
    size = Counter(categories)
    common = sorted(name for name, n in size.items() if n >= MIN_CATEGORY_SIZE)
    place = {name: position for position, name in enumerate(common, 1)}
    label_a = np.array([place.get(name, 0) for name in categories], dtype=np.int64)
    kept, label_a = np.unique(label_a, return_inverse=True)
    return label_a, len(kept)
