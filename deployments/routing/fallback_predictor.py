"""Predictions that the Router makes itself when a replica fails."""

from collections.abc import Sequence

import numpy as np

from deployments.protocol import Prediction
from scope.arrays import Float32Array, FloatArray
from scope.bank import Bank
from scope.embedding import text_features
from scope.predictor import AnchorPredictor


class FallbackPredictor:
    """kNN estimates from the anchors, without a fitted forecaster: no torch, 2 ms a prompt.

    Parameters
    ----------
    bank : Bank
    """

    def __init__(self, bank: Bank) -> None:
        knn_config = bank.anchor_config.model_copy(update={"use_forecaster": False})
        self._predictor = AnchorPredictor(bank, knn_config)
        self._dimension = bank.embedder.dimension

    def predict_knn(
        self, embedding_qd: Float32Array, features_qf: FloatArray, degraded: str
    ) -> list[Prediction]:
        """Return kNN estimates from the nearest anchors."""
        estimates, near = self._predictor.predict(embedding_qd, features_qf)
        return Prediction.from_batch(estimates, near, source="knn", degraded=degraded)

    def predict_means(self, texts: Sequence[str], degraded: str | None) -> list[Prediction]:
        """Return the mean outcome of each model on all anchors; of a text only its length counts.

        A zero vector is similar to no anchor, so that only the means of the models have weight.
        """
        zero_qd = np.zeros((len(texts), self._dimension), dtype=np.float32)
        estimates, near = self._predictor.predict(zero_qd, text_features(texts))
        no_neighbours = type(near)(near.similarity_qk[:, :0], near.anchor_qk[:, :0])
        return Prediction.from_batch(estimates, no_neighbours, source="means", degraded=degraded)
