"""How alike two questions are, by what they mean, how they are written and what they are of."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Float32Array, FloatArray

EMBEDDING_LENGTHSCALE = 0.5
"""Cosine distance at which the kernel has fallen to 1/e."""

TEXT_FEATURE_LENGTHSCALE = 4.0
"""Mean squared distance of the scaled features at which it has."""

CATEGORY_LENGTHSCALE = 2.0
"""Mean squared distance of the log probabilities of categories at which it has."""

MIN_PROBABILITY = 0.01
"""Added to the probability of a category before its logarithm."""


def kernel_features(form_qf: Float32Array, posterior_qc: Float32Array) -> Float32Array:
    """Join form and category in one vector whose squared distances the kernel takes.

    Parameters
    ----------
    form_qf : ndarray of shape (n_questions, n_features)
        As `scope.forecast.categories.Form` scales them.
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

    ``k(q, a) = exp(-(1 - cosine) / MEANING_SCALE - |trait_q - trait_a|²)`` with the
    traits of `traits`. The scales were chosen by leaving one out on the training
    questions of MMLU-Pro and ZeroEval; none is sharp (docs/quality.md).

    Attributes
    ----------
    embedding_ad : ndarray of shape (n_anchors, n_dimensions)
        Unit vectors.
    feature_ai : ndarray of shape (n_anchors, n_traits)
    """

    embedding_ad: Float32Array
    feature_ai: Float32Array

    def similarity(self, embedding_qd: Float32Array, feature_qi: Float32Array) -> Float32Array:
        """Return ``k`` of shape (n_questions, n_anchors), within [0, 1]; 1 is the same question."""
        apart_qa = embedding_qd @ self.embedding_ad.T
        apart_qa -= 1
        apart_qa /= EMBEDDING_LENGTHSCALE
        unlike_qa = feature_qi @ self.feature_ai.T
        unlike_qa *= 2
        apart_qa += unlike_qa
        apart_qa -= _square(feature_qi)[:, None] + _square(self.feature_ai)
        # Rounding may put a question a hair nearer than itself.
        similarity_qa: Float32Array = np.exp(np.minimum(apart_qa, 0, out=apart_qa), out=apart_qa)
        return similarity_qa

    def gram_matrix(self) -> Float32Array:
        """Return ``k`` between all anchors, shape (n_anchors, n_anchors)."""
        return self.similarity(self.embedding_ad, self.feature_ai)


def _square(feature_qi: Float32Array) -> FloatArray:
    square_q: FloatArray = np.einsum("qi,qi->q", feature_qi, feature_qi)
    return square_q
