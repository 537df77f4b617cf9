"""Nearest-neighbour baselines: the published Stage I, and a tuned kNN."""

from dataclasses import dataclass
from itertools import product, starmap

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank import Bank
from scope.baselines.inputs import TrainingSet, known_log_loss
from scope.embedding import AnchorIndex
from scope.forecast import effective_sample_size, similarity_weights, weighted_means
from scope.routing import GroundTruth
from scope.sampling import hash_sample

PUBLISHED_NEIGHBOURS, PUBLISHED_POWER = 6, 2
NEIGHBOURS = (10, 25, 50, 100, 200, 400)
POWERS = (0.0, 2.0, 4.0, 8.0)
PRIOR_STRENGTHS = (1.0, 3.0, 10.0, 30.0)
N_TUNING_ANCHORS = 1_000
"""Anchors on which the settings are selected, each predicted from all the others."""
CHUNK = 250
"""Questions per chunk: bounds memory to about 15 MB per array."""


def published_stage_one(bank: Bank, embedding_qd: Float32Array) -> tuple[FloatArray, FloatArray]:
    """Forecast as the published Stage I does: 6 neighbours, similarity², no shrinkage.

    Probability and cost are means over the neighbours. As in the published code, an
    anchor at cosine -0.9 has the weight of one at +0.9.

    Returns
    -------
    p_correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
        NaN where none of the six neighbours was measured.
    """
    similarity_qk, anchor_qk = AnchorIndex(bank.embedding_ad).search(
        embedding_qd, PUBLISHED_NEIGHBOURS
    )
    truth = GroundTruth.from_outcomes(bank.outcomes, bank.models)
    weight_qk = similarity_qk**PUBLISHED_POWER
    return (
        weighted_means(weight_qk, truth.correct_qm[anchor_qk]),
        weighted_means(weight_qk, truth.cost_usd_qm[anchor_qk]),
    )


@dataclass(frozen=True, slots=True)
class KNNSettings:
    """Number and weights of the neighbours, and shrinkage."""

    n_neighbours: int
    power: float
    prior_strength: float


class TunedKNN:
    """Shrunken means over neighbours, with settings selected on the bank.

    Every combination of settings predicts a sample of the anchors, each without
    itself; the one with the lowest log loss is kept.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank, self._index = bank, AnchorIndex(bank.embedding_ad)
        self._mean_m = TrainingSet(bank.features_af, bank.outcomes.correct_am).mean_m()
        self.settings = self._tune()

    def predict(self, embedding_qd: Float32Array) -> FloatArray:
        """Return probabilities of shape (n_questions, n_models)."""
        parts = [np.empty((0, len(self._mean_m)))]
        for start in range(0, len(embedding_qd), CHUNK):
            found = self._index.search(
                embedding_qd[start : start + CHUNK], self.settings.n_neighbours
            )
            parts.append(self._forecast(*found, self.settings))
        return np.concatenate(parts)

    def _tune(self) -> KNNSettings:
        sample = np.array(hash_sample(self._bank.ids, N_TUNING_ANCHORS), dtype=np.int64)
        similarity_qk, anchor_qk = self._index.search_excluding_self(
            self._bank.embedding_ad[sample], max(NEIGHBOURS), sample
        )
        counts = sorted({min(n, len(self._bank.ids) - 1) for n in NEIGHBOURS})
        losses = {}
        for settings in starmap(KNNSettings, product(counts, POWERS, PRIOR_STRENGTHS)):
            k = settings.n_neighbours
            p_qm = self._forecast(similarity_qk[:, :k], anchor_qk[:, :k], settings)
            losses[settings] = known_log_loss(p_qm, self._bank.outcomes.correct_am[sample])
        return min(losses, key=losses.__getitem__)

    def _forecast(
        self, similarity_qk: FloatArray, anchor_qk: IntArray, settings: KNNSettings
    ) -> FloatArray:
        weight_qk = similarity_weights(similarity_qk, settings.power)
        correct_qkm = self._bank.outcomes.correct_am[anchor_qk]
        n_qm = effective_sample_size(weight_qk, correct_qkm)
        near_qm = np.where(n_qm > 0, weighted_means(weight_qk, correct_qkm), 0.0)
        strength = settings.prior_strength
        p_qm: FloatArray = (n_qm * near_qm + strength * self._mean_m) / (n_qm + strength)
        return p_qm
