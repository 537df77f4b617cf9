"""Scaled text features of a question, and a classifier of its category."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from scope.arrays import Float32Array, FloatArray, IntArray

MIN_CATEGORY_SIZE = 20
"""Categories of fewer anchors are merged into one."""

INVERSE_REGULARISATION = 0.003
"""Inverse strength of the classifier's ridge penalty."""

EMBEDDING_SCALE = 3.0
"""Embedding coordinates are scaled to a standard deviation of 1 over this; text features have 1."""


@dataclass(frozen=True, slots=True)
class TextFeatureScaler:
    """Scales text features: logs with mean 0 and standard deviation 1 over the anchors."""

    mean_f: FloatArray
    spread_f: FloatArray

    @classmethod
    def fit(cls, features_af: FloatArray) -> "TextFeatureScaler":
        """Fit the scale of counts >= 0, shape (n_anchors, n_features)."""
        logs_af = np.log1p(features_af)
        # Rounding gives a constant feature a deviation of 1e-16, which would blow up other values.
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
    """Predicts the category of a question: multinomial regression on embedding and text features.

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
        """Fit to the categories of anchors.

        Parameters
        ----------
        input_ai : ndarray of shape (n_anchors, n_inputs)
            From `classifier_inputs`.
        label_a : ndarray of shape (n_anchors,)
            Category indices; a category that does not occur gets probability 0.
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
            # With two classes, the regression returns the second alone; the first has slope 0.
            fitted = found[-len(model.coef_) :]
            slope_ic[:, fitted], offset_c[fitted] = model.coef_.T, model.intercept_
        return cls(slope_ic, offset_c)

    def predict_proba(self, input_qi: Float32Array) -> Float32Array:
        """Return probabilities of shape (n_questions, n_categories); rows sum to 1."""
        posterior_qc: Float32Array = softmax(input_qi @ self.slope_ic + self.offset_c, axis=1)
        return posterior_qc


def classifier_inputs(embedding_qd: Float32Array, form_qf: Float32Array) -> Float32Array:
    """Return the classifier's inputs, shape (n_questions, n_dimensions + n_features)."""
    scale = np.float32(np.sqrt(embedding_qd.shape[1]) / EMBEDDING_SCALE)
    return np.hstack([embedding_qd * scale, form_qf], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class CategoryLabels:
    """The categories of anchors as indices; those below `MIN_CATEGORY_SIZE` share one.

    Attributes
    ----------
    label_a : ndarray of shape (n_anchors,)
    n_categories : int
    index_of : mapping of str to int
        Of the categories that have an index of their own.

    Examples
    --------
    >>> labels = CategoryLabels.encode(["law"] * 20 + ["chess"])
    >>> labels.label_a[-2:].tolist(), labels.index_of
    ([1, 0], {'law': 1})
    """

    label_a: IntArray
    n_categories: int
    index_of: Mapping[str, int]

    @classmethod
    def encode(cls, categories: Sequence[str]) -> "CategoryLabels":
        """Return the labels of the categories, of which each anchor has one."""
        size = Counter(categories)
        common = sorted(name for name, n in size.items() if n >= MIN_CATEGORY_SIZE)
        first = int(len(common) < len(size))
        index_of = {name: index for index, name in enumerate(common, first)}
        label_a = np.array([index_of.get(name, 0) for name in categories], dtype=np.int64)
        return cls(label_a, first + len(common), index_of)
