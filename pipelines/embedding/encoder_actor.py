"""Embed texts on a pool of encoder actors."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset

from pipelines.cluster.session import RESTART_OPTIONS
from scope.arrays import AnyArray
from scope.config import Backend, EncoderConfig
from scope.embedding import MAX_CHARS, EmbedderSpec, Encoder, default_backend
from scope.errors import ConfigError, ScopeError

Batch = dict[str, AnyArray]

BLOCK_ROWS = 256
"""Texts per block: a few seconds of work, which is what a kill can lose."""


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """The encoder of texts, and the cache of its vectors."""

    name: str
    revision: str | None
    config: EncoderConfig = field(default_factory=EncoderConfig)
    cache: Path | None = None
    """Folder that keeps embeddings between runs; None keeps nothing."""
    max_chars: int = MAX_CHARS
    layer: int | None = None
    """Layer of a causal language model; None: an encoder of sentences."""

    @classmethod
    def of(cls, spec: EmbedderSpec, config: EncoderConfig, cache: Path | None) -> "EncoderSpec":
        """Return the encoder that embeds into the space of a bank."""
        return cls(spec.name, spec.revision, config, cache, spec.max_chars, spec.layer)

    @property
    def backend(self) -> Backend:
        """What computes the vectors; the same on every worker."""
        if self.layer is not None:
            return "torch"
        on_gpu = self.config.num_gpus > 0
        return self.config.backend or default_backend(self.name, on_gpu=on_gpu)


class EncoderActor:
    """Holds one encoder for all batches of a worker."""

    def __init__(
        self,
        name: str,
        revision: str | None,
        max_chars: int,
        batch_chars: int,
        backend: Backend,
        layer: int | None,
    ) -> None:
        # Ray turns an error in a constructor into text and retries it: raise it with the batch.
        self._encoder: Encoder | ScopeError
        try:
            self._encoder = Encoder(
                name,
                revision=revision,
                max_chars=max_chars,
                batch_chars=batch_chars,
                backend=backend,
                layer=layer,
            )
        except ScopeError as error:
            self._encoder = error

    def __call__(self, batch: Batch) -> Batch:
        """Replace column ``prompt`` by ``embedding`` and ``error``, which is empty on success."""
        if isinstance(self._encoder, ScopeError):
            raise self._encoder
        embedding_qd, errors = self._encoder.encode_with_errors(
            [str(text) for text in batch.pop("prompt")]
        )
        return {**batch, "embedding": embedding_qd, "error": np.array(errors, dtype=object)}


def embed_dataset(rows: Dataset, encoder: EncoderSpec) -> Dataset:
    """Return the plan: column ``prompt`` becomes ``embedding`` and ``error``."""
    min_replicas, max_replicas = encoder.config.replicas
    return rows.map_batches(
        EncoderActor,
        fn_constructor_kwargs={
            "name": encoder.name,
            "revision": encoder.revision,
            "max_chars": encoder.max_chars,
            "batch_chars": encoder.config.batch_chars,
            "backend": encoder.backend,
            "layer": encoder.layer,
        },
        compute=ActorPoolStrategy(min_size=min_replicas, max_size=max_replicas),
        batch_size=BLOCK_ROWS,
        batch_format="numpy",
        zero_copy_batch=False,
        num_cpus=encoder.config.num_cpus,
        num_gpus=encoder.config.num_gpus,
        **RESTART_OPTIONS,
    )


def prompt_dataset(prompts: Sequence[str], rows: Sequence[int]) -> Dataset:
    """Return ``row`` and ``prompt`` of the prompts at `rows`, in blocks of `BLOCK_ROWS`."""
    blocks = [rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS)]
    tables: list[Any] = [
        ray.put(pa.table({"row": block, "prompt": [prompts[row] for row in block]}))
        for block in blocks
    ]
    return ray.data.from_arrow_refs(tables)


def check_gpus(config: EncoderConfig) -> None:
    """Raise if this machine lacks the GPUs: Ray would wait for them for ever.

    A cluster named by ``RAY_ADDRESS`` may still add them.

    Raises
    ------
    ConfigError
    """
    found = ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]
    if "RAY_ADDRESS" not in os.environ and config.num_gpus > found:
        raise ConfigError(
            f"an encoder needs {config.num_gpus:g} GPUs, this machine has {found:g}; "
            "lower --num-gpus, or name a cluster by RAY_ADDRESS"
        )
