"""Predict for prompts through the replicas; where one fails, by the fallback predictor."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from deployments.protocol import EmbeddedTexts, Prediction, PredictionRequest
from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.routing.batched_prediction import predict_uncached
from deployments.routing.fallback_predictor import FallbackPredictor
from deployments.routing.prediction_cache import PredictionCache
from deployments.routing.second_embedder_client import (
    NO_SECOND,
    SecondEmbedderClient,
    SecondVectors,
)
from deployments.telemetry.metrics import Metrics
from deployments.tracing import current_span, span
from scope.bank import Bank


class PredictionClient:
    """Calls embedder and predictor, and falls back where one fails.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : RemoteMethod
    second_embedder : SecondEmbedderClient or None
        For a bank that uses a second encoder.
    fallback : FallbackPredictor
    cache : PredictionCache
    metrics : Metrics
    """

    def __init__(
        self,
        bank: Bank,
        embedder: RemoteMethod,
        predictor: RemoteMethod,
        second_embedder: SecondEmbedderClient | None,
        fallback: FallbackPredictor,
        cache: PredictionCache,
        metrics: Metrics,
    ) -> None:
        self._version, self._spec = bank.version, bank.embedder
        self._fact_name, self._fact_values = bank.fact, frozenset(bank.fact_values)
        self._embedder, self._predictor = embedder, predictor
        self._second_embedder = second_embedder
        self._fallback, self._cache, self._metrics = fallback, cache, metrics

    async def predict(
        self,
        texts: Sequence[str],
        metadata: Mapping[str, str],
        *,
        timeout_s: float,
        slow_call_s: float,
    ) -> list[Prediction]:
        """Return a prediction for every text, in their order; never fails.

        Parameters
        ----------
        texts : sequence of str
        metadata : mapping of str to str
            What is known of all texts; the bank uses the one fact that it has learned.
        timeout_s : float
            Time limit of the replicas; the fallback predicts what is missing by then.
        slow_call_s : float
            As for `RemoteCall.call`.
        """
        ends_at = time.monotonic() + timeout_s
        fact = metadata.get(self._fact_name)
        fact = fact if fact in self._fact_values else None
        return await predict_uncached(
            texts,
            self._cache,
            partial(self._predict_batch, fact=fact, ends_at=ends_at, slow_call_s=slow_call_s),
            self._count_cache,
            fact,
        )

    def predict_means(self, texts: Sequence[str], degraded: str | None) -> list[Prediction]:
        """Return the averages of each model, where a text says nothing about the question."""
        return self._fallback.predict_means(texts, degraded)

    def _count_cache(self, hits: int, lookups: int) -> None:
        self._metrics.count_cache(hits, lookups)
        current_span().set({"scope.prompts": lookups, "scope.cached_predictions": hits})

    async def _predict_batch(
        self, texts: list[str], fact: str | None, ends_at: float, slow_call_s: float
    ) -> list[Prediction]:
        """Predict for the texts of one batch; never fails.

        Both encoders read the texts at the same time. The second may take half of the time that is
        left, so that it makes no prediction late. So it is slow sooner, too: one that hangs must
        open its circuit.
        """
        if self._second_embedder is None:
            return await self._predict_with(None, texts, fact, ends_at, slow_call_s)
        half_s = (ends_at - time.monotonic()) / 2
        second = asyncio.create_task(
            self._second_embedder.embed(texts, timeout_s=half_s, slow_call_s=slow_call_s / 2)
        )
        try:
            return await self._predict_with(second, texts, fact, ends_at, slow_call_s)
        finally:
            second.cancel()

    async def _predict_with(
        self,
        second: asyncio.Task[SecondVectors] | None,
        texts: list[str],
        fact: str | None,
        ends_at: float,
        slow_call_s: float,
    ) -> list[Prediction]:
        """Predict, with the vectors of the second encoder where there is one."""
        try:
            with span("embed", {"scope.prompts": len(texts)}), self._metrics.timer("embed"):
                embedded = await self._embed(texts, ends_at, slow_call_s)
        except RemoteCallError as error:
            return self._fallback.predict_means(texts, error.reason)
        found = NO_SECOND if second is None else await second
        try:
            with span("predict", {"scope.prompts": len(texts)}), self._metrics.timer("predict"):
                request = PredictionRequest(
                    self._version,
                    embedded.embedding_qd,
                    embedded.features_qf,
                    fact,
                    found.vector_qy,
                )
                predictions = await self._call_predictor(request, ends_at, slow_call_s)
            predictions = found.mark_degraded(predictions)
        except RemoteCallError as error:
            predictions = await asyncio.to_thread(
                self._fallback.predict_knn,
                embedded.embedding_qd,
                embedded.features_qf,
                error.reason,
            )
        for index, error_text in enumerate(embedded.errors):
            if error_text:
                (predictions[index],) = self._fallback.predict_means(
                    [texts[index]], "embedder broken"
                )
        return predictions

    async def _embed(self, texts: list[str], ends_at: float, slow_call_s: float) -> EmbeddedTexts:
        """Call the embedder; during a roll-out it may belong to another bank."""
        embedded: EmbeddedTexts = await self._embedder.call(
            texts, timeout_s=ends_at - time.monotonic(), slow_call_s=slow_call_s
        )
        if not embedded.embedder.is_compatible_with(self._spec):
            raise RemoteCallError("embedder", "of another bank")
        # The predictor needs finite numbers; texts without a vector get a fallback afterwards.
        return embedded._replace(embedding_qd=np.nan_to_num(embedded.embedding_qd))

    async def _call_predictor(
        self, request: PredictionRequest, ends_at: float, slow_call_s: float
    ) -> list[Prediction]:
        """Call the predictor; it too may have another bank."""
        predictions: list[Prediction] | None = await self._predictor.call(
            request, timeout_s=ends_at - time.monotonic(), slow_call_s=slow_call_s
        )
        if predictions is None:
            raise RemoteCallError("predictor", "of another bank")
        return [replace(prediction, fact=request.fact) for prediction in predictions]
