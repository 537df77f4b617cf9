"""Similarity of questions by embedding, text features and category."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scope.arrays import Float32Array, FloatArray

EMBEDDING_LENGTHSCALE = 0.5
"""Cosine distance at which the kernel is 1/e."""

TEXT_FEATURE_LENGTHSCALE = 4.0
"""Mean squared distance of the scaled text features at which the kernel is 1/e."""

CATEGORY_LENGTHSCALE = 2.0
"""Mean squared distance of the categories' log probabilities at which the kernel is 1/e."""

BLOCK_ANCHORS = 2_048
"""Anchors per block, where the arrays of all anchors would not fit in memory several times."""

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
    """Similarity of questions to the inducing points, anchors that stand for all.

    ``k(q, b) = exp(-(1 - cosine) / EMBEDDING_LENGTHSCALE - |feature_q - feature_b|²)`` with
    `kernel_features`. The length scales have the least leave-one-out error on the training
    questions of MMLU-Pro and ZeroEval; the optimum is flat (docs/quality.md).

    Attributes
    ----------
    embedding_bd : ndarray of shape (n_inducing, n_dimensions)
        Unit vectors.
    feature_bi : ndarray of shape (n_inducing, n_features + n_categories)
    """

    embedding_bd: Float32Array
    feature_bi: Float32Array

    def similarity(self, embedding_qd: Float32Array, feature_qi: Float32Array) -> Float32Array:
        """Return ``k``, shape (n_questions, n_inducing), within [0, 1]; 1 is the same question."""
        exponent_qb = embedding_qd @ self.embedding_bd.T
        exponent_qb -= 1
        exponent_qb /= EMBEDDING_LENGTHSCALE
        inner_qb = feature_qi @ self.feature_bi.T
        inner_qb *= 2
        exponent_qb += inner_qb
        exponent_qb -= _square(feature_qi)[:, None] + _square(self.feature_bi)
        # Rounding may give a distance slightly below 0.
        similarity_qb: Float32Array = np.exp(
            np.minimum(exponent_qb, 0, out=exponent_qb), out=exponent_qb
        )
        return similarity_qb

    def gram_matrix(self, embedding_ad: Float32Array, feature_ai: Float32Array) -> Float32Array:
        """Return ``k`` of all anchors, shape (n_anchors, n_inducing)."""
        similarity_ab = np.empty((len(embedding_ad), len(self.embedding_bd)), dtype=np.float32)
        for block in row_blocks(len(embedding_ad)):
            similarity_ab[block] = self.similarity(embedding_ad[block], feature_ai[block])
        return similarity_ab


def row_blocks(n_anchors: int) -> Iterator[slice]:
    """Yield slices of `BLOCK_ANCHORS` rows that cover all anchors."""
    for start in range(0, n_anchors, BLOCK_ANCHORS):
        yield slice(start, start + BLOCK_ANCHORS)


def _square(feature_qi: Float32Array) -> FloatArray:
    square_q: FloatArray = np.einsum("qi,qi->q", feature_qi, feature_qi)
    return square_q
