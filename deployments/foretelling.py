"""Foretell prompts by way of the replicas; where one fails, by what the Router has itself."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deployments.embedder import Vectors
from deployments.hops import HopError
from deployments.light_copy import LightCopy
from deployments.meters import Meters
from deployments.prediction import Prediction
from deployments.prediction_cache import PredictionCache
from deployments.predictor import Embedded
from deployments.replica import Replica
from scope.bank import Bank

TEXTS_A_CALL = 16
"""Of a long list; a single prompt waits for one such batch at most."""

CALLS_AT_ONCE = 4
"""Of one list: each next call goes to whichever replica is done first, and other clients' prompts
do not stand behind all of it."""


class Foreteller:
    """Asks embedder and predictor, and does without them when it must.

    Parameters
    ----------
    bank : Bank
    embedder, predictor : Replica
    light_copy : LightCopy
    cache : PredictionCache
    meters : Meters
    """

    def __init__(
        self,
        bank: Bank,
        embedder: Replica,
        predictor: Replica,
        light_copy: LightCopy,
        cache: PredictionCache,
        meters: Meters,
    ) -> None:
        self._version, self._spec = bank.version, bank.embedder
        self._embedder, self._predictor = embedder, predictor
        self._light_copy, self._cache, self._meters = light_copy, cache, meters

    async def foretell(
        self, texts: Sequence[str], *, within_s: float, patience_s: float
    ) -> list[Prediction]:
        """Return a prediction for every text, in their order; never fails.

        Parameters
        ----------
        texts : sequence of str
        within_s : float
            When the replicas' time is over, and what the Router has itself must do.
        patience_s : float
            As for `Hop.ask`.
        """
        found = {text: self._cache.get(text) for text in texts}
        self._meters.cached(sum(found[text] is not None for text in texts), len(texts))
        # Texts of one length waste no padding: a quarter of the encoder's time.
        missing = sorted((text for text, one in found.items() if one is None), key=len)
        ends_at = time.monotonic() + within_s
        calls = [
            missing[start : start + TEXTS_A_CALL] for start in range(0, len(missing), TEXTS_A_CALL)
        ]
        some_at_once = asyncio.Semaphore(CALLS_AT_ONCE)

        async def ask(call: list[str]) -> list[Prediction]:
            async with some_at_once:
                return await self._call(call, ends_at, patience_s)

        asked = await asyncio.gather(*map(ask, calls))
        for call, predictions in zip(calls, asked, strict=True):
            self._cache.keep(call, predictions)
            found |= zip(call, predictions, strict=True)
        fresh = set(missing)
        return [
            prediction if text in fresh else replace(prediction, source="cache")
            for text in texts
            if (prediction := found[text]) is not None
        ]

    async def _call(self, texts: list[str], ends_at: float, patience_s: float) -> list[Prediction]:
        """Foretell a few texts together."""
        try:
            with self._meters.timed("embed"):
                vectors = await self._embedded(texts, ends_at, patience_s)
        except HopError as error:
            return self._light_copy.averages(texts, error.reason)
        try:
            with self._meters.timed("predict"):
                predictions = await self._predicted(vectors, ends_at, patience_s)
        except HopError as error:
            predictions = await asyncio.to_thread(
                self._light_copy.votes,
                vectors.embedding_qd,
                vectors.features_qf,
                error.reason,
            )
        for place, wrong in enumerate(vectors.errors):
            if wrong:
                (predictions[place],) = self._light_copy.averages([texts[place]], "embedder broken")
        return predictions

    async def _embedded(self, texts: list[str], ends_at: float, patience_s: float) -> Vectors:
        """Ask the embedder; while a new bank rolls out, it may be that of another."""
        vectors: Vectors = await self._embedder.ask(
            texts, within_s=ends_at - time.monotonic(), patience_s=patience_s
        )
        if not vectors.embedder.agrees_with(self._spec):
            raise HopError("embedder", "of another bank")
        # Whoever comes next gets numbers; what rests on none of them is replaced by its error.
        return vectors._replace(embedding_qd=np.nan_to_num(vectors.embedding_qd))

    async def _predicted(
        self, vectors: Vectors, ends_at: float, patience_s: float
    ) -> list[Prediction]:
        """Ask the predictor; it too may have another bank."""
        wanted = Embedded(self._version, vectors.embedding_qd, vectors.features_qf)
        predictions: list[Prediction] | None = await self._predictor.ask(
            wanted, within_s=ends_at - time.monotonic(), patience_s=patience_s
        )
        if predictions is None:
            raise HopError("predictor", "of another bank")
        return predictions
