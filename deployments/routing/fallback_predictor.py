"""The Router's own light copy of a bank: what is left to say when a replica fails."""

from collections.abc import Sequence

import numpy as np

from deployments.protocol import Prediction
from scope.arrays import Float32Array, FloatArray
from scope.bank import Bank
from scope.embedding import text_features
from scope.predictor import AnchorPredictor


class FallbackPredictor:
    """Stage I by votes of the nearest anchors, without anything learned: no torch, 2 ms a prompt.

    Parameters
    ----------
    bank : Bank
    """

    def __init__(self, bank: Bank) -> None:
        votes_only = bank.anchor_config.model_copy(update={"use_forecaster": False})
        self._predictor = AnchorPredictor(bank, votes_only)
        self._dimension = bank.embedder.dimension

    def predict_knn(
        self, embedding_qd: Float32Array, features_qf: FloatArray, degraded: str
    ) -> list[Prediction]:
        """Return what the nearest anchors say, in place of the predictor."""
        estimates, near = self._predictor.predict(embedding_qd, features_qf)
        return Prediction.from_batch(estimates, near, source="votes", degraded=degraded)

    def predict_means(self, texts: Sequence[str], degraded: str) -> list[Prediction]:
        """Return how the models did on all anchors; of the texts, only their length is heard.

        A vector of zeros is like no anchor, so that nothing but the models' means votes.
        """
        nowhere_qd = np.zeros((len(texts), self._dimension), dtype=np.float32)
        estimates, near = self._predictor.predict(nowhere_qd, text_features(texts))
        nobody = type(near)(near.similarity_qk[:, :0], near.anchor_qk[:, :0])
        return Prediction.from_batch(estimates, nobody, source="averages", degraded=degraded)
