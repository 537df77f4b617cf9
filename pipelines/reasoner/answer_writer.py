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
        """Add the answers to a batch of prompts; return how many of those queried failed.

        An answer that is not queried is dropped: a prompt of form ``pool`` is about all models.
        """
        if not len(batch["row"]):
            return 0
        answers = _per_model(batch)
        cells = zip(answers["row"].tolist(), answers["column"].tolist(), strict=True)
        key_n = [self._key_of.get(cell) for cell in cells]
        queried = np.array([key is not None for key in key_n])
        good = queried & (answers[ERROR] == "")
        self.failed |= {
            key: str(error)
            for key, error in zip(key_n, answers[ERROR], strict=True)
            if error and key is not None
        }
        columns = [answers[name] for name in CachedAnswer._fields]
        self._keys += [key for key, is_good in zip(key_n, good, strict=True) if key and is_good]
        self._rows.append(np.column_stack(columns).astype(np.float32)[good])
        if len(self._keys) >= FLUSH_ROWS or time.monotonic() - self._written_s >= FLUSH_S:
            self._write()
        n_queried = int(queried.sum())
        n_failed = n_queried - int(good.sum())
        self._usage.count(batch, n_queried, n_failed)
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


def _per_model(batch: Batch) -> Batch:
    """Return a row for each model of each prompt, with an equal share of the prompt's tokens."""
    p_yes_nm, tokens_nm = (
        np.array(batch[name].tolist(), dtype=float).reshape(len(batch["row"]), -1)
        for name in ("p_yes", "tokens")
    )
    n_models = p_yes_nm.shape[1]
    counts = ("prompt_tokens", "generated_tokens", "cached_tokens")
    return {
        "row": np.repeat(batch["row"], n_models),
        "column": (batch["column"][:, None] + np.arange(n_models)).ravel(),
        "p_yes": p_yes_nm.ravel(),
        "tokens": tokens_nm.ravel(),
        **{name: np.repeat(batch[name] / n_models, n_models) for name in counts},
        ERROR: np.where(np.isnan(p_yes_nm).ravel(), np.repeat(batch[ERROR], n_models), ""),
    }
