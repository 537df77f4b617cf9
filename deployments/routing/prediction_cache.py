"""Predictions kept for prompts that come again; they hold for every policy and price."""

import hashlib
from collections.abc import Iterable

from cachetools import LRUCache

from deployments.protocol import Prediction


class PredictionCache:
    """The latest predictions of one replica.

    Parameters
    ----------
    size : int
        Most predictions kept; 0 keeps none. One of 17 models takes 2 KB.
    bank : str
        Version of the bank they rest on, part of their keys.
    """

    def __init__(self, size: int, bank: str) -> None:
        self._kept: LRUCache[bytes, Prediction] = LRUCache(size)
        self._bank = bank.encode()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str) -> Prediction | None:
        """Return what was foretold for this text; None if it is not kept."""
        return self._kept.get(self._key(text))

    def put(self, texts: Iterable[str], predictions: Iterable[Prediction]) -> None:
        """Keep what rests on all there is; what a failing replica left is not worth it."""
        for text, prediction in zip(texts, predictions, strict=True):
            if prediction.degraded is None and self._kept.maxsize:
                self._kept[self._key(text)] = prediction

    def resize(self, size: int) -> None:
        """Take another size; what is kept stays as far as it fits, the latest first."""
        if size != self._kept.maxsize:
            kept = LRUCache[bytes, Prediction](size)
            for key in list(self._kept) if size else []:
                kept[key] = self._kept[key]
            self._kept = kept

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(self._bank + b"\0" + text.encode()).digest()
