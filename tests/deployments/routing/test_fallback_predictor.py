from dataclasses import replace

import numpy as np
import pytest

from deployments.routing.fallback_predictor import FallbackPredictor
from scope.embedding.text_features import text_features
from tests.factories.banks import bank_of, two_kinds


def test_averages_are_what_the_models_did_on_all_anchors():
    """
    Eight and two of ten anchors, each drawn a little toward their common mean: ten pseudo-anchors.
    """
    correct = np.zeros((1_000, 2))
    correct[:800, 0] = correct[:200, 1] = 1

    (one,) = FallbackPredictor(bank_of(correct)).predict_means(["?"], "embedder late")

    assert one.value_em[0] == pytest.approx([0.8, 0.2], abs=0.005)
    assert (one.source, one.degraded) == ("averages", "embedder late")
    assert len(one.anchor_k) == 0


def test_votes_hear_the_nearest_anchors():
    """
    The small model is poor at law, and an anchor of law lies nearest.
    """
    bank = two_kinds()
    law = bank.categories.index("law")
    vector_qd = bank.embedding_ad[[law]].astype(np.float32)

    (one,) = FallbackPredictor(bank).predict_knn(
        vector_qd, text_features(["a law"]), "predictor late"
    )

    small, large = one.value_em[0]
    assert small < 0.5 < large
    assert one.anchor_k[0] == law
    assert one.source == "votes"


def test_what_was_learned_is_left_aside():
    """
    Loading it is what the predictor's replica is for.
    """
    bank = two_kinds()
    copied = replace(bank, forecaster=object())  # fails if anyone asks it

    assert FallbackPredictor(copied).predict_means(["?"], "embedder late")
