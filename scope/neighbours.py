"""Nearest neighbours, as published and tuned: baselines that only average."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from scope.arrays import Floats, Ints, Singles
from scope.bank import Bank
from scope.evidence import effective_anchors, similarity_weights, weighted_means
from scope.forecast import Lesson, known_log_loss
from scope.index import AnchorIndex
from scope.metrics import Truth
from scope.questions import hashed_sample

PUBLISHED_NEIGHBOURS, PUBLISHED_POWER = 6, 2
NEIGHBOURS = (10, 25, 50, 100, 200, 400)
POWERS = (0.0, 2.0, 4.0, 8.0)
PSEUDO_ANCHORS = (1.0, 3.0, 10.0, 30.0)
TUNED_ON = 1_000
"""Anchors on which the settings are picked, each predicted from all the others."""
CHUNK = 250
"""Questions worked on at once: bounds memory to about 15 MB per array."""


def published(bank: Bank, embedding_qd: Singles) -> tuple[Floats, Floats]:
    """Forecast as the published Stage I does: 6 neighbours, similarity², no shrinkage.

    Probability and cost are the neighbours' means; like the published code it lets
    an anchor at cosine -0.9 weigh as much as one at +0.9.

    Returns
    -------
    p_correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
        NaN where none of the six was measured.
    """
    similarity_qk, anchor_qk = AnchorIndex(bank.embedding_ad).search(
        embedding_qd, PUBLISHED_NEIGHBOURS
    )
    truth = Truth.of(bank.outcomes, bank.models)
    weight_qk = similarity_qk**PUBLISHED_POWER
    return (
        weighted_means(weight_qk, truth.correct_qm[anchor_qk]),
        weighted_means(weight_qk, truth.cost_usd_qm[anchor_qk]),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """How neighbours are weighed."""

    n_neighbours: int
    power: float
    pseudo_anchors: float


class TunedNeighbours:
    """Shrunken neighbours' means, settings picked inside the bank.

    Every combination of the settings forecasts a sample of the anchors, each
    without its own vote; the one of least log loss is kept.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank, self._index = bank, AnchorIndex(bank.embedding_ad)
        self._mean_m = Lesson(bank.features_af, bank.outcomes.correct_am).mean_m()
        self.settings = self._tuned()

    def predict(self, embedding_qd: Singles) -> Floats:
        """Return probabilities of shape (n_questions, n_models)."""
        parts = [np.empty((0, len(self._mean_m)))]
        for start in range(0, len(embedding_qd), CHUNK):
            found = self._index.search(
                embedding_qd[start : start + CHUNK], self.settings.n_neighbours
            )
            parts.append(self._forecast(*found, self.settings))
        return np.concatenate(parts)

    def _tuned(self) -> Settings:
        sample = np.array(hashed_sample(self._bank.ids, TUNED_ON), dtype=np.int64)
        similarity_qk, anchor_qk = self._index.search_others(
            self._bank.embedding_ad[sample], max(NEIGHBOURS), sample
        )
        counts = sorted({min(n, len(self._bank.ids) - 1) for n in NEIGHBOURS})
        losses = {}
        for chosen in (Settings(*values) for values in product(counts, POWERS, PSEUDO_ANCHORS)):
            near = similarity_qk[:, : chosen.n_neighbours], anchor_qk[:, : chosen.n_neighbours]
            p_qm = self._forecast(*near, chosen)
            losses[chosen] = known_log_loss(p_qm, self._bank.outcomes.correct_am[sample])
        return min(losses, key=losses.__getitem__)

    def _forecast(self, similarity_qk: Floats, anchor_qk: Ints, chosen: Settings) -> Floats:
        weight_qk = similarity_weights(similarity_qk, chosen.power)
        correct_qkm = self._bank.outcomes.correct_am[anchor_qk]
        n_qm = effective_anchors(weight_qk, correct_qkm)
        near_qm = np.where(n_qm > 0, weighted_means(weight_qk, correct_qkm), 0.0)
        pseudo = chosen.pseudo_anchors
        p_qm: Floats = (n_qm * near_qm + pseudo * self._mean_m) / (n_qm + pseudo)
        return p_qm
