"""How alike two questions are, by what they mean, how they are written and what they are of."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats, Singles

MEANING_SCALE = 0.5
"""Cosine distance at which the kernel has fallen to 1/e."""

FORM_SCALE = 4.0
"""Mean squared distance of the scaled features at which it has."""

CATEGORY_SCALE = 2.0
"""Mean squared distance of the log probabilities of categories at which it has."""

LEAST_PROBABILITY = 0.01
"""Added to the probability of a category before its logarithm."""


def traits(form_qf: Singles, posterior_qc: Singles) -> Singles:
    """Join form and category in one vector whose squared distances the kernel takes.

    Parameters
    ----------
    form_qf : ndarray of shape (n_questions, n_features)
        As `scope.traits.Form` scales them.
    posterior_qc : ndarray of shape (n_questions, n_categories)
    """
    logs_qc = np.log(posterior_qc + LEAST_PROBABILITY)
    scaled = (
        form_qf / np.sqrt(FORM_SCALE * form_qf.shape[1]),
        logs_qc / np.sqrt(CATEGORY_SCALE * posterior_qc.shape[1]),
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
    trait_at : ndarray of shape (n_anchors, n_traits)
    """

    embedding_ad: Singles
    trait_at: Singles

    def similarity(self, embedding_qd: Singles, trait_qt: Singles) -> Singles:
        """Return ``k`` of shape (n_questions, n_anchors), within [0, 1]; 1 is the same question."""
        apart_qa = embedding_qd @ self.embedding_ad.T
        apart_qa -= 1
        apart_qa /= MEANING_SCALE
        unlike_qa = trait_qt @ self.trait_at.T
        unlike_qa *= 2
        apart_qa += unlike_qa
        apart_qa -= _square(trait_qt)[:, None] + _square(self.trait_at)
        # Rounding may put a question a hair nearer than itself.
        similarity_qa: Singles = np.exp(np.minimum(apart_qa, 0, out=apart_qa), out=apart_qa)
        return similarity_qa

    def among_anchors(self) -> Singles:
        """Return ``k`` between all anchors, shape (n_anchors, n_anchors)."""
        return self.similarity(self.embedding_ad, self.trait_at)


def _square(trait_qt: Singles) -> Floats:
    square_q: Floats = np.einsum("qt,qt->q", trait_qt, trait_qt)
    return square_q
