"""A cache of predictions by prompt; they are valid for every policy and price."""

import hashlib
from collections.abc import Iterable

from cachetools import LRUCache

from deployments.protocol import Prediction


class PredictionCache:
    """The latest predictions of one replica.

    Parameters
    ----------
    size : int
        Maximum number of predictions; 0 caches none. One for 17 models takes 2 KB.
    bank : str
        Version of the bank, part of the keys.
    """

    def __init__(self, size: int, bank: str) -> None:
        self._predictions: LRUCache[bytes, Prediction] = LRUCache(size)
        self._bank = bank.encode()

    def __len__(self) -> int:
        return len(self._predictions)

    def get(self, text: str, fact: str | None = None) -> Prediction | None:
        """Return the prediction for a text of which `fact` is known; None if it is not cached."""
        return self._predictions.get(self._key(text, fact))

    def put(self, texts: Iterable[str], predictions: Iterable[Prediction]) -> None:
        """Cache the predictions that are not degraded."""
        for text, prediction in zip(texts, predictions, strict=True):
            if prediction.degraded is None and self._predictions.maxsize:
                self._predictions[self._key(text, prediction.fact)] = prediction

    def resize(self, size: int) -> None:
        """Change the size; the latest predictions stay, as far as they fit."""
        if size != self._predictions.maxsize:
            kept = LRUCache[bytes, Prediction](size)
            for key in list(self._predictions) if size else []:
                kept[key] = self._predictions[key]
            self._predictions = kept

    def _key(self, text: str, fact: str | None) -> bytes:
        parts = (self._bank, *(part.encode() for part in (fact or "", text)))
        return hashlib.sha256(b"\0".join(parts)).digest()
