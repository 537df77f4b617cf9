import asyncio
from contextlib import contextmanager

import numpy as np
import pytest

from deployments.protocol.messages import Prediction
from deployments.protocol.remote_call import RemoteCallError
from deployments.routing.batched_prediction import (
    MAX_CONCURRENT_CALLS,
    MAX_TEXTS_PER_CALL,
    predict_uncached,
)
from deployments.routing.prediction_cache import PredictionCache
from tests.deployments.local import Site as LocalSite
from tests.factories.banks import LARGE, SMALL, two_kinds
from tests.factories.routers import tiny_router

TEXTS = ["x" * (100 - n) for n in range(100)]
"""A hundred texts, the longest first."""


def prediction_of(text):
    """A prediction that names its text by the length."""
    return Prediction(np.full((11, 2), float(len(text))), np.zeros(10), np.zeros(10, int))


class Predictor:
    """Predicts a batch in a moment; raises for a batch with a text in `failing`."""

    def __init__(self, failing=()):
        self.failing, self.batches, self.n_done = set(failing), [], 0
        self.running = self.most_running = 0

    async def predict(self, batch):
        self.batches.append(batch)
        with self.counted():
            await asyncio.sleep(0.005)
        if self.failing & set(batch):
            raise RemoteCallError("predictor", "broken")
        await asyncio.sleep(0.005)
        self.n_done += 1
        return [prediction_of(text) for text in batch]

    @contextmanager
    def counted(self):
        """Count the block among the running calls."""
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            yield
        finally:
            self.running -= 1


def predict(predictor, texts, cache=None):
    """Predict for the texts; returns the predictions and the counts of the cache."""
    counts = []
    done = predict_uncached(
        texts,
        PredictionCache(0, "bank") if cache is None else cache,
        predictor.predict,
        lambda *count: counts.append(count),
    )
    return asyncio.run(done), counts


def test_predictions_are_in_the_order_of_the_texts():
    """
    Though batches are of texts of similar length, the shortest first.
    """
    predictor = Predictor()

    got, _ = predict(predictor, TEXTS)

    assert [prediction.value_em[0, 0] for prediction in got] == list(range(100, 0, -1))
    assert predictor.batches[0] == TEXTS[:-17:-1]


def test_few_batches_run_at_the_same_time():
    """
    A hundred texts are seven batches, of which four run.
    """
    predictor = Predictor()

    predict(predictor, TEXTS)

    assert [len(batch) for batch in predictor.batches] == [*6 * [MAX_TEXTS_PER_CALL], 4]
    assert predictor.most_running == MAX_CONCURRENT_CALLS


def test_a_text_is_predicted_once():
    """
    Twice in one list, then from the cache.
    """
    predictor, cache = Predictor(), PredictionCache(10, "bank")

    first, first_counts = predict(predictor, ["a", "bb", "a"], cache)
    again, counts = predict(predictor, ["bb", "ccc"], cache)

    assert predictor.batches == [["a", "bb"], ["ccc"]]
    assert [prediction.source for prediction in first] == 3 * ["anchors"]
    assert [prediction.source for prediction in again] == ["cache", "anchors"]
    assert (first_counts, counts) == ([(0, 3)], [(1, 2)])


def test_a_failed_batch_ends_the_others():
    """
    Of seven batches the first fails: the three beside it are cancelled, three never start.
    """
    predictor = Predictor(failing=TEXTS[-1:])

    with pytest.raises(RemoteCallError, match="broken"):
        predict(predictor, TEXTS)

    assert len(predictor.batches) <= 5
    assert predictor.n_done == 0


@pytest.mark.parametrize("strategy", ["prehoc", "hybridllm"])
def test_every_strategy_limits_the_calls_of_one_list(tmp_path, strategy):
    """
    Of the bank's embedder, and of the learned router.
    """
    folders = {"hybridllm": str(tiny_router(tmp_path / "router", {"small": 0.7}, (SMALL, LARGE)))}
    site = LocalSite(tmp_path, two_kinds(), routers=folders)
    replica = site.embedder if strategy == "prehoc" else site.learned
    counter, answer = Predictor(), replica.answer

    async def slow(argument):
        with counter.counted():
            await asyncio.sleep(0.005)
        return answer(argument)

    replica.answer = slow
    with site.open(pool=["small", "large"]) as client:
        got = client.post("/v1/route", json={"prompts": TEXTS, "scope": {"strategy": strategy}})

    assert got.status_code == 200
    assert len(replica.calls) == 7
    assert counter.most_running == MAX_CONCURRENT_CALLS
