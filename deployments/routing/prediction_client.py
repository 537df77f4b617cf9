"""Foretell prompts by way of the replicas; where one fails, by what the Router has itself."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deployments.protocol import EmbeddedTexts, Prediction, PredictionRequest
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.routing.fallback_predictor import FallbackPredictor
from deployments.routing.prediction_cache import PredictionCache
from deployments.telemetry.metrics import Metrics
from scope.bank import Bank

MAX_TEXTS_PER_CALL = 16
"""Of a long list; a single prompt waits for one such batch at most."""

MAX_CONCURRENT_CALLS = 4
"""Of one list: each next call goes to whichever replica is done first, and other clients' prompts
do not stand behind all of it."""


class PredictionClient:
    """Asks embedder and predictor, and does without them when it must.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : RemoteMethod
    light_copy : FallbackPredictor
    cache : PredictionCache
    meters : Metrics
    """

    def __init__(
        self,
        bank: Bank,
        embedder: RemoteMethod,
        predictor: RemoteMethod,
        light_copy: FallbackPredictor,
        cache: PredictionCache,
        meters: Metrics,
    ) -> None:
        self._version, self._spec = bank.version, bank.embedder
        self._embedder, self._predictor = embedder, predictor
        self._light_copy, self._cache, self._meters = light_copy, cache, meters

    async def predict(
        self, texts: Sequence[str], *, timeout_s: float, slow_call_s: float
    ) -> list[Prediction]:
        """Return a prediction for every text, in their order; never fails.

        Parameters
        ----------
        texts : sequence of str
        timeout_s : float
            When the replicas' time is over, and what the Router has itself must do.
        slow_call_s : float
            As for `Hop.ask`.
        """
        found = {text: self._cache.get(text) for text in texts}
        self._meters.count_cache(sum(found[text] is not None for text in texts), len(texts))
        # Texts of one length waste no padding: a quarter of the encoder's time.
        missing = sorted((text for text, one in found.items() if one is None), key=len)
        ends_at = time.monotonic() + timeout_s
        calls = [
            missing[start : start + MAX_TEXTS_PER_CALL]
            for start in range(0, len(missing), MAX_TEXTS_PER_CALL)
        ]
        some_at_once = asyncio.Semaphore(MAX_CONCURRENT_CALLS)

        async def ask(call: list[str]) -> list[Prediction]:
            async with some_at_once:
                return await self._call(call, ends_at, slow_call_s)

        asked = await asyncio.gather(*map(ask, calls))
        for call, predictions in zip(calls, asked, strict=True):
            self._cache.put(call, predictions)
            found |= zip(call, predictions, strict=True)
        fresh = set(missing)
        return [
            prediction if text in fresh else replace(prediction, source="cache")
            for text in texts
            if (prediction := found[text]) is not None
        ]

    async def _call(self, texts: list[str], ends_at: float, slow_call_s: float) -> list[Prediction]:
        """Foretell a few texts together."""
        try:
            with self._meters.timer("embed"):
                vectors = await self._embedded(texts, ends_at, slow_call_s)
        except RemoteCallError as error:
            return self._light_copy.predict_means(texts, error.reason)
        try:
            with self._meters.timer("predict"):
                predictions = await self._predicted(vectors, ends_at, slow_call_s)
        except RemoteCallError as error:
            predictions = await asyncio.to_thread(
                self._light_copy.predict_knn,
                vectors.embedding_qd,
                vectors.features_qf,
                error.reason,
            )
        for place, wrong in enumerate(vectors.errors):
            if wrong:
                (predictions[place],) = self._light_copy.predict_means(
                    [texts[place]], "embedder broken"
                )
        return predictions

    async def _embedded(
        self, texts: list[str], ends_at: float, slow_call_s: float
    ) -> EmbeddedTexts:
        """Ask the embedder; while a new bank rolls out, it may be that of another."""
        vectors: EmbeddedTexts = await self._embedder.call(
            texts, timeout_s=ends_at - time.monotonic(), slow_call_s=slow_call_s
        )
        if not vectors.embedder.is_compatible_with(self._spec):
            raise RemoteCallError("embedder", "of another bank")
        # Whoever comes next gets numbers; what rests on none of them is replaced by its error.
        return vectors._replace(embedding_qd=np.nan_to_num(vectors.embedding_qd))

    async def _predicted(
        self, vectors: EmbeddedTexts, ends_at: float, slow_call_s: float
    ) -> list[Prediction]:
        """Ask the predictor; it too may have another bank."""
        wanted = PredictionRequest(self._version, vectors.embedding_qd, vectors.features_qf)
        predictions: list[Prediction] | None = await self._predictor.call(
            wanted, timeout_s=ends_at - time.monotonic(), slow_call_s=slow_call_s
        )
        if predictions is None:
            raise RemoteCallError("predictor", "of another bank")
        return predictions
