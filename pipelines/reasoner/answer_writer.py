"""Answers on their way from the engines to the disk."""

import time
from collections.abc import Mapping

import numpy as np

from pipelines.embedding.cached import cache_write_error
from pipelines.embedding.encoder_actor import Batch
from pipelines.reasoner.request import ReasonerUsage
from scope.arrays import Float32Array
from scope.reasoner import AnswerCache, CachedAnswer

FLUSH_ROWS, FLUSH_S = 256, 10.0
"""Answers are written so many at a time, or after so long: what a kill can lose."""

ERROR = "__inference_error__"
"""Column in which Ray's stage says why a row failed."""

Cell = tuple[int, int]
"""A question and the column of a model."""


class AnswerWriter:
    """Puts answers into the cache some at a time; all of them at the end of the block.

    Parameters
    ----------
    cache : AnswerCache
    key_of : mapping of (question, model) to bytes
        Keys of what is asked.
    tally : ReasonerUsage
    """

    def __init__(
        self, cache: AnswerCache, key_of: Mapping[Cell, bytes], tally: ReasonerUsage
    ) -> None:
        self.failed: dict[bytes, str] = {}
        """Keys of what came to no answer, and why."""
        self._cache, self._key_of, self._tally = cache, key_of, tally
        self._keys: list[bytes] = []
        self._rows: list[Float32Array] = []
        self._written_s = time.monotonic()

    def add(self, batch: Batch) -> int:
        """Take what engines have answered; return how many rows of it failed."""
        cells = zip(batch["row"].tolist(), batch["column"].tolist(), strict=True)
        keys = [self._key_of[cell] for cell in cells]
        good = batch[ERROR] == ""
        self.failed |= {
            key: str(error) for key, error in zip(keys, batch[ERROR], strict=True) if error
        }
        values = np.column_stack([batch[name] for name in CachedAnswer._fields]).astype(np.float32)
        self._keys += [key for key, kept in zip(keys, good, strict=True) if kept]
        self._rows.append(values[good])
        if len(self._keys) >= FLUSH_ROWS or time.monotonic() - self._written_s >= FLUSH_S:
            self._write()
        n_failed = int(np.sum(~good))
        self._tally.count(batch, n_failed)
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
