"""Write the answers of the engines into the cache, in batches."""

import time
from collections.abc import Mapping

import numpy as np

from pipelines.embedding.cached import cache_write_error
from pipelines.embedding.encoder_actor import Batch
from pipelines.reasoner.request import ReasonerUsage
from scope.arrays import Float32Array
from scope.reasoner import AnswerCache, CachedAnswer

FLUSH_ROWS, FLUSH_S = 256, 10.0
"""Answers are written after so many rows or seconds; a kill loses at most these."""

ERROR = "__inference_error__"
"""Column of Ray's stage with the error of a row; empty if it succeeded."""

Cell = tuple[int, int]
"""Index of a question, index of a model."""


class AnswerWriter:
    """Writes answers into the cache in batches; `close` writes the rest.

    Parameters
    ----------
    cache : AnswerCache
    key_of : mapping of (question, model) to bytes
        Cache keys of the queries.
    usage : ReasonerUsage
        Counts the answers.
    """

    def __init__(
        self, cache: AnswerCache, key_of: Mapping[Cell, bytes], usage: ReasonerUsage
    ) -> None:
        self.failed: dict[bytes, str] = {}
        """Errors of failed queries, by cache key."""
        self._cache, self._key_of, self._usage = cache, key_of, usage
        self._keys: list[bytes] = []
        self._rows: list[Float32Array] = []
        self._written_s = time.monotonic()

    def add(self, batch: Batch) -> int:
        """Add a batch of answers; return how many of them failed."""
        cells = zip(batch["row"].tolist(), batch["column"].tolist(), strict=True)
        keys = [self._key_of[cell] for cell in cells]
        good = batch[ERROR] == ""
        self.failed |= {
            key: str(error) for key, error in zip(keys, batch[ERROR], strict=True) if error
        }
        values = np.column_stack([batch[name] for name in CachedAnswer._fields]).astype(np.float32)
        self._keys += [key for key, is_good in zip(keys, good, strict=True) if is_good]
        self._rows.append(values[good])
        if len(self._keys) >= FLUSH_ROWS or time.monotonic() - self._written_s >= FLUSH_S:
            self._write()
        n_failed = int(np.sum(~good))
        self._usage.count(batch, n_failed)
        return n_failed

    def close(self) -> None:
        """Write the answers that are still in memory."""
        self._write()

    def _write(self) -> None:
        if self._keys:
            try:
                self._cache.add(np.array(self._keys, "S32"), np.concatenate(self._rows))
            except OSError as error:
                raise cache_write_error(AnswerCache, self._cache.folder, error) from error
        self._keys, self._rows, self._written_s = [], [], time.monotonic()
