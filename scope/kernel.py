"""How alike two questions are, by what they mean and by how they are written."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats, Singles

MEANING_SCALE = 0.5
"""Cosine distance at which the kernel has fallen to 1/e."""

FORM_SCALE = 4.0
"""Mean squared distance of the scaled features at which it has."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Similarity of questions to the anchors: near in meaning and in form.

    ``k(q, a) = exp(-(1 - cosine) / MEANING_SCALE - distance² / FORM_SCALE)``, where
    ``distance²`` is the mean over features of the squared difference of their
    logarithms, each scaled by its spread over the anchors. Both scales were chosen
    by leaving one out on the training questions of MMLU-Pro and ZeroEval; neither
    is sharp (docs/quality.md).
    """

    embedding_ad: Singles
    form_af: Singles
    mean_f: Floats
    spread_f: Floats

    @classmethod
    def of(cls, embedding_ad: Singles, features_af: Floats) -> "Kernel":
        """Make the kernel of some anchors.

        Parameters
        ----------
        embedding_ad : ndarray of shape (n_anchors, n_dimensions)
            Unit vectors.
        features_af : ndarray of shape (n_anchors, n_features)
            Counts >= 0, as `scope.features.text_features` makes them.
        """
        logs_af = np.log1p(features_af)
        spread_f = logs_af.std(axis=0)
        mean_f, spread_f = logs_af.mean(axis=0), np.where(spread_f > 0, spread_f, 1.0)
        form_af = ((logs_af - mean_f) / spread_f).astype(np.float32)
        return cls(embedding_ad.astype(np.float32), form_af, mean_f, spread_f)

    def similarity(self, embedding_qd: Singles, features_qf: Floats) -> Singles:
        """Return ``k`` of shape (n_questions, n_anchors), within [0, 1]; 1 is the same question."""
        form_qf = ((np.log1p(features_qf) - self.mean_f) / self.spread_f).astype(np.float32)
        return self._similarity(embedding_qd.astype(np.float32), form_qf)

    def among_anchors(self) -> Singles:
        """Return ``k`` between all anchors, shape (n_anchors, n_anchors)."""
        return self._similarity(self.embedding_ad, self.form_af)

    def _similarity(self, embedding_qd: Singles, form_qf: Singles) -> Singles:
        apart_qa = 1 - embedding_qd @ self.embedding_ad.T
        square_q1 = np.square(form_qf).sum(axis=1)[:, None]
        square_a = np.square(self.form_af).sum(axis=1)
        unlike_qa = (square_q1 + square_a - 2 * form_qf @ self.form_af.T) / form_qf.shape[1]
        distance_qa = apart_qa / MEANING_SCALE + unlike_qa / FORM_SCALE
        # Rounding may put a question a hair nearer than itself.
        similarity_qa: Singles = np.exp(-np.maximum(distance_qa, 0))
        return similarity_qa
