from dataclasses import replace

import numpy as np

from deployments.protocol.messages import Prediction
from deployments.routing.prediction_cache import PredictionCache

ONE = Prediction(np.zeros((11, 2)), np.zeros(10), np.zeros(10, int))


def keeping(size, *texts):
    """A cache that was told these texts, in this order."""
    cache = PredictionCache(size, "bank")
    cache.put(texts, [ONE] * len(texts))
    return cache


def test_the_longest_unused_prediction_goes_first():
    """
    Of three that were kept in room for two.
    """
    cache = keeping(2, "a", "b")
    cache.get("a")
    cache.put(["c"], [ONE])

    assert [cache.get(text) is ONE for text in "abc"] == [True, False, True]


def test_a_degraded_prediction_is_not_kept():
    """
    The next time all may be well.
    """
    cache = PredictionCache(2, "bank")
    cache.put(["a"], [replace(ONE, degraded="predictor late")])

    assert cache.get("a") is None


def test_no_room_keeps_nothing():
    """
    Size 0 switches it off.
    """
    assert len(keeping(0, "a")) == 0


def test_another_size_keeps_the_latest():
    """
    A live change of settings does not empty it.
    """
    cache = keeping(3, "a", "b", "c")

    cache.resize(2)

    assert [cache.get(text) is ONE for text in "abc"] == [False, True, True]
