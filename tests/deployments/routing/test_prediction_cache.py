from dataclasses import replace

import numpy as np

from deployments.protocol.messages import Prediction
from deployments.routing.prediction_cache import PredictionCache

ONE = Prediction(np.zeros((11, 2)), np.zeros(10), np.zeros(10, int))


def cache_of(size, *texts):
    """A cache with predictions for these texts, in this order."""
    cache = PredictionCache(size, "bank")
    cache.put(texts, [ONE] * len(texts))
    return cache


def test_the_least_recently_used_prediction_is_evicted():
    """
    Three predictions in a cache of two.
    """
    cache = cache_of(2, "a", "b")
    cache.get("a")
    cache.put(["c"], [ONE])

    assert [cache.get(text) is ONE for text in "abc"] == [True, False, True]


def test_a_degraded_prediction_is_not_cached():
    """
    The next request may get a full one.
    """
    cache = PredictionCache(2, "bank")
    cache.put(["a"], [replace(ONE, degraded="predictor late")])

    assert cache.get("a") is None


def test_size_0_caches_nothing():
    """
    It switches the cache off.
    """
    assert len(cache_of(0, "a")) == 0


def test_a_change_of_size_keeps_the_latest():
    """
    A live change of settings does not empty the cache.
    """
    cache = cache_of(3, "a", "b", "c")

    cache.resize(2)

    assert [cache.get(text) is ONE for text in "abc"] == [False, True, True]
