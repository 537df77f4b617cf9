"""Similarity of questions by embedding, text features and category."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Float32Array, FloatArray

EMBEDDING_LENGTHSCALE = 0.5
"""Cosine distance at which the kernel is 1/e."""

TEXT_FEATURE_LENGTHSCALE = 4.0
"""Mean squared distance of the scaled text features at which the kernel is 1/e."""

CATEGORY_LENGTHSCALE = 2.0
"""Mean squared distance of the categories' log probabilities at which the kernel is 1/e."""

MIN_PROBABILITY = 0.01
"""Added to the probability of a category before its logarithm."""


def kernel_features(form_qf: Float32Array, posterior_qc: Float32Array) -> Float32Array:
    """Join text features and category in one vector for the kernel's squared distance.

    Parameters
    ----------
    form_qf : ndarray of shape (n_questions, n_features)
        Scaled by `scope.forecast.categories.TextFeatureScaler`.
    posterior_qc : ndarray of shape (n_questions, n_categories)
    """
    logs_qc = np.log(posterior_qc + MIN_PROBABILITY)
    scaled = (
        form_qf / np.sqrt(TEXT_FEATURE_LENGTHSCALE * form_qf.shape[1]),
        logs_qc / np.sqrt(CATEGORY_LENGTHSCALE * posterior_qc.shape[1]),
    )
    return np.hstack(scaled, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Similarity of questions to the anchors.

    ``k(q, a) = exp(-(1 - cosine) / EMBEDDING_LENGTHSCALE - |feature_q - feature_a|²)`` with
    `kernel_features`. The length scales have the least leave-one-out error on the training
    questions of MMLU-Pro and ZeroEval; the optimum is flat (docs/quality.md).

    Attributes
    ----------
    embedding_ad : ndarray of shape (n_anchors, n_dimensions)
        Unit vectors.
    feature_ai : ndarray of shape (n_anchors, n_features + n_categories)
    """

    embedding_ad: Float32Array
    feature_ai: Float32Array

    def similarity(self, embedding_qd: Float32Array, feature_qi: Float32Array) -> Float32Array:
        """Return ``k``, shape (n_questions, n_anchors), within [0, 1]; 1 is the same question."""
        exponent_qa = embedding_qd @ self.embedding_ad.T
        exponent_qa -= 1
        exponent_qa /= EMBEDDING_LENGTHSCALE
        inner_qa = feature_qi @ self.feature_ai.T
        inner_qa *= 2
        exponent_qa += inner_qa
        exponent_qa -= _square(feature_qi)[:, None] + _square(self.feature_ai)
        # Rounding may give a distance slightly below 0.
        similarity_qa: Float32Array = np.exp(
            np.minimum(exponent_qa, 0, out=exponent_qa), out=exponent_qa
        )
        return similarity_qa

    def gram_matrix(self) -> Float32Array:
        """Return ``k`` of all pairs of anchors, shape (n_anchors, n_anchors)."""
        return self.similarity(self.embedding_ad, self.feature_ai)


def _square(feature_qi: Float32Array) -> FloatArray:
    square_q: FloatArray = np.einsum("qi,qi->q", feature_qi, feature_qi)
    return square_q
