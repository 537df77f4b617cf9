"""Predictions for a list of texts: from the cache, the others in batches."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from deployments.protocol import Prediction
from deployments.routing.prediction_cache import PredictionCache

MAX_TEXTS_PER_CALL = 16
"""Batch size of a list of prompts; a single prompt waits for at most one batch."""

MAX_CONCURRENT_CALLS = 4
"""Concurrent calls for one list: the next call goes to the first free replica, and prompts of other
clients do not wait for the whole list."""


async def predict_uncached(
    texts: Sequence[str],
    cache: PredictionCache,
    predict_batch: Callable[[list[str]], Awaitable[list[Prediction]]],
    count_cache: Callable[[int, int], None],
    fact: str | None = None,
) -> list[Prediction]:
    """Return a prediction for every text, in their order; each distinct text is predicted once.

    Parameters
    ----------
    texts : sequence of str
    cache : PredictionCache
        Receives the new predictions.
    predict_batch : callable
        From the texts of one batch to their predictions. If it raises, the batches that are not
        done are cancelled and the error is passed on.
    count_cache : callable
        Receives the number of cached texts and that of all, as `Metrics.count_cache`.
    fact : str, optional
        What is known of all texts.
    """
    found = {text: cache.get(text, fact) for text in texts}
    count_cache(sum(found[text] is not None for text in texts), len(texts))
    # Batches of similar length need less padding: a quarter of the encoder's time.
    missing = sorted((text for text, cached in found.items() if cached is None), key=len)
    starts = range(0, len(missing), MAX_TEXTS_PER_CALL)
    batches = [missing[start : start + MAX_TEXTS_PER_CALL] for start in starts]
    for batch, predictions in zip(batches, await _run(predict_batch, batches), strict=True):
        cache.put(batch, predictions)
        found |= zip(batch, predictions, strict=True)
    fresh = set(missing)
    return [
        prediction if text in fresh else replace(prediction, source="cache")
        for text in texts
        if (prediction := found[text]) is not None
    ]


async def _run(
    predict_batch: Callable[[list[str]], Awaitable[list[Prediction]]], batches: list[list[str]]
) -> list[list[Prediction]]:
    """Predict for all batches, a few at the same time."""
    semaphore = asyncio.Semaphore(MAX_CONCURRENT_CALLS)

    async def predict(batch: list[str]) -> list[Prediction]:
        async with semaphore:
            return await predict_batch(batch)

    tasks = [asyncio.ensure_future(predict(batch)) for batch in batches]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
