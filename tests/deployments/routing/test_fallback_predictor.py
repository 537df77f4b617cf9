from dataclasses import replace

import numpy as np
import pytest

from deployments.routing.fallback_predictor import FallbackPredictor
from scope.embedding.text_features import text_features
from tests.factories.banks import bank_of, two_kinds


def test_means_are_those_of_each_model_on_all_anchors():
    """
    Eight and two of ten anchors, each slightly shrunk to the common mean.
    """
    correct = np.zeros((1_000, 2))
    correct[:800, 0] = correct[:200, 1] = 1

    (prediction,) = FallbackPredictor(bank_of(correct)).predict_means(["?"], "embedder late")

    assert prediction.value_em[0] == pytest.approx([0.8, 0.2], abs=0.005)
    assert (prediction.source, prediction.degraded) == ("means", "embedder late")
    assert len(prediction.anchor_k) == 0


def test_knn_weights_the_nearest_anchors():
    """
    The small model is weak on law, and the nearest anchor is about law.
    """
    bank = two_kinds()
    law = bank.categories.index("law")
    vector_qd = bank.embedding_ad[[law]].astype(np.float32)

    (prediction,) = FallbackPredictor(bank).predict_knn(
        vector_qd, text_features(["a law"]), "predictor late"
    )

    small, large = prediction.value_em[0]
    assert small < 0.5 < large
    assert prediction.anchor_k[0] == law
    assert prediction.source == "knn"


def test_the_fitted_forecaster_is_not_used():
    """
    Only the Predictor replica loads it.
    """
    bank = two_kinds()
    copied = replace(bank, forecaster=object())  # fails if called

    assert FallbackPredictor(copied).predict_means(["?"], "embedder late")
