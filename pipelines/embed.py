"""Embed texts on a pool of encoder actors: the plan, and the actor's state."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset

from scope.arrays import Array, Singles
from scope.bank import check_unit
from scope.config import EncoderConfig
from scope.encoder import Encoder
from scope.errors import ScopeError
from scope.features import text_features

Batch = dict[str, Array]

BLOCK_ROWS = 256
"""Questions in one block: a few seconds of work for an encoder, little enough to lose."""


class EncoderActor:
    """Holds one encoder for all batches a worker gets."""

    def __init__(self, name: str, revision: str | None, batch_chars: int) -> None:
        # Ray turns an error in a constructor into text and retries it: raise it with the batch.
        self._encoder: Encoder | ScopeError
        try:
            self._encoder = Encoder(name, revision=revision, batch_chars=batch_chars)
        except ScopeError as error:
            self._encoder = error

    def __call__(self, batch: Batch) -> Batch:
        """Replace column ``prompt`` by ``embedding`` and ``features``."""
        if isinstance(self._encoder, ScopeError):
            raise self._encoder
        texts = [str(text) for text in batch.pop("prompt")]
        embedding_qd = self._encoder.encode(texts)
        check_unit(embedding_qd, tuple(f"question {row + 1}" for row in batch["row"]))
        return {**batch, "embedding": embedding_qd, "features": text_features(texts)}


def embedded(rows: Dataset, name: str, revision: str | None, config: EncoderConfig) -> Dataset:
    """Return the plan: column ``prompt`` becomes ``embedding`` and ``features``."""
    return rows.map_batches(
        EncoderActor,
        fn_constructor_kwargs={
            "name": name,
            "revision": revision,
            "batch_chars": config.batch_chars,
        },
        compute=ActorPoolStrategy(min_size=1, max_size=config.replicas),
        batch_size=BLOCK_ROWS,
        batch_format="numpy",
        zero_copy_batch=False,
        num_cpus=config.num_cpus,
        num_gpus=config.num_gpus,
    )


def prompt_rows(prompts: Sequence[str]) -> Dataset:
    """Return rows of ``row`` (the place in `prompts`) and ``prompt``, in blocks of `BLOCK_ROWS`."""
    table = pa.table({"row": np.arange(len(prompts)), "prompt": pa.array(prompts, pa.string())})
    return ray.data.from_arrow(blocks(table))


def blocks(table: pa.Table) -> list[pa.Table]:
    """Cut a table into blocks of `BLOCK_ROWS`, so that several workers can share it."""
    return [table.slice(start, BLOCK_ROWS) for start in range(0, table.num_rows, BLOCK_ROWS)]


def embed_texts(
    prompts: Sequence[str],
    name: str,
    revision: str | None,
    config: EncoderConfig,
    advance: Callable[[int], None],
) -> tuple[Singles, Array]:
    """Embed `prompts` and count their features, in their order.

    Parameters
    ----------
    prompts : sequence of str
    name, revision : str
        As for `scope.encoder.Encoder`.
    config : EncoderConfig
    advance : callable
        Told how many more are done.

    Returns
    -------
    embedding_qd, features_qf : ndarray
    """
    plan = embedded(prompt_rows(prompts), name, revision, config)
    parts: list[dict[str, Any]] = []
    for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
        parts.append(batch)
        advance(len(batch["row"]))
    order = np.argsort(np.concatenate([part["row"] for part in parts]))
    embedding, features = (
        np.concatenate([np.stack(list(part[name])) for part in parts])[order]
        for name in ("embedding", "features")
    )
    return embedding, features
