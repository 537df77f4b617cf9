"""Vectors of texts: looked up in the cache, else embedded once on Ray and kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import DataContext, Dataset

from pipelines.embed import (
    Batch,
    TextEncoder,
    check_gpus,
    embedded,
    prompt_rows,
)
from pipelines.session import ray_session
from scope.arrays import Singles
from scope.embedder import Recipe, locate
from scope.embedding_cache import EmbeddingCache
from scope.errors import ConfigError
from scope.features import text_features

Advance = Callable[[int, int], None]


def silent(more: int, total: int) -> None:
    """Tell nobody how far the work is."""


def embedded_blocks(
    prompts: Sequence[str],
    blocks: Sequence[Mapping[str, Any]],
    encoder: TextEncoder,
    n_dimensions: int,
    advance: Advance = silent,
) -> Dataset:
    """Return the same blocks with ``embedding``, ``features`` and ``error`` of their prompts.

    What the cache lacks is embedded first, each text once; the vectors then lie in Ray's
    object store, a block at a time, so that the driver holds one block. A prompt that could
    not be embedded has a vector of NaN and says in ``error`` why; others have nothing there.

    Parameters
    ----------
    prompts : sequence of str
    blocks : sequence of mapping
        Columns of each; ``row`` says which prompts it is of.
    encoder : TextEncoder
    n_dimensions : int
    advance : callable
        Told how many more texts of how many are embedded; never called if none has to be.
    """
    with open_cache(encoder) as cache:
        found = Embedded(cache, embed_missing(prompts, encoder, cache, advance))
        tables: list[Any] = [
            ray.put(_block(columns, [prompts[row] for row in columns["row"]], found, n_dimensions))
            for columns in blocks
        ]
    return ray.data.from_arrow_refs(tables).map_batches(
        _with_features, batch_size=None, batch_format="numpy", zero_copy_batch=False, num_cpus=0.5
    )


def embed_texts(prompts: Sequence[str], encoder: TextEncoder, advance: Advance = silent) -> Singles:
    """Return the vectors of `prompts` in their order, all of them in memory.

    Ray is started only if the cache lacks one.

    Returns
    -------
    ndarray of shape (n_prompts, n_dimensions)

    Raises
    ------
    ConfigError
        If one cannot be embedded; names the first.
    """
    with open_cache(encoder) as cache:
        found = Embedded(cache, embed_missing(prompts, encoder, cache, advance))
        embedding_qd, errors = found.vectors(prompts)
    if any(errors):
        first = next(n for n, error in enumerate(errors) if error)
        n_failed = sum(map(bool, errors))
        raise ConfigError(
            f"{n_failed:,} of {len(prompts):,} texts cannot be embedded; the first is "
            f"{prompts[first][:60]!r}: {errors[first]}"
        )
    return embedding_qd


@contextmanager
def open_cache(encoder: TextEncoder) -> Iterator[EmbeddingCache]:
    """Yield the cache of `encoder`, or one that is gone afterwards.

    That is so if nothing is to be kept, and if nobody knows which weights a name stands
    for: what the hub has today may be others tomorrow.

    Raises
    ------
    ConfigError
        If the folder cannot be made.
    """
    _, revision = locate(encoder.name, encoder.revision)
    recipe = Recipe(name=encoder.name, revision=revision or "unknown", max_chars=encoder.max_chars)
    if encoder.cache is None or revision is None:
        with TemporaryDirectory(prefix="scope-embeddings-") as folder:
            yield EmbeddingCache(Path(folder), recipe)
        return
    try:
        cache = EmbeddingCache(encoder.cache, recipe)
    except OSError as error:
        raise _unwritable(encoder.cache, error) from error
    yield cache


def embed_missing(
    prompts: Sequence[str], encoder: TextEncoder, cache: EmbeddingCache, advance: Advance
) -> dict[bytes, str]:
    """Embed the texts that `cache` lacks, each once, and add them block by block.

    The last bits of a vector depend on the texts it was batched with. Blocks are cut and
    added in the order of the texts: a run that was killed goes on with the blocks an
    undisturbed one would have had, and ends with the same bits.

    Returns
    -------
    dict of bytes to str
        Keys of the texts that could not be embedded, and why.
    """
    missing = cache.missing(prompts)
    failed: dict[bytes, str] = {}
    if not missing:
        return failed
    advance(0, len(missing))
    with ray_session():
        check_gpus(encoder.config)
        DataContext.get_current().execution_options.preserve_order = True
        plan = embedded(prompt_rows(prompts, missing), encoder)
        for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
            keys = cache.keys([prompts[row] for row in batch["row"]])
            good = batch["error"] == ""
            failed |= dict(zip(map(bytes, keys[~good]), batch["error"][~good], strict=True))
            try:
                cache.add(keys[good], np.stack(list(batch["embedding"]))[good])
            except OSError as error:
                raise _unwritable(cache.folder, error) from error
            advance(len(keys), len(missing))
    return failed


@dataclass(frozen=True, slots=True)
class Embedded:
    """What is known of texts after their embedding: vectors, or why there are none."""

    cache: EmbeddingCache
    failed: Mapping[bytes, str]
    """Keys of the texts without a vector."""

    def vectors(self, prompts: Sequence[str]) -> tuple[Singles, list[str]]:
        """Return a vector and an error for each text, one of them NaN or empty."""
        keys = self.cache.keys(prompts)
        found, embedding_qd = self.cache.find(keys)
        errors = [self.failed.get(bytes(key), "") for key in keys]
        if any(not known and not error for known, error in zip(found, errors, strict=True)):
            raise ConfigError(f"{self.cache.folder} was damaged while it was read; run again")
        return embedding_qd, errors


def _block(
    columns: Mapping[str, Any], prompts: Sequence[str], found: Embedded, n_dimensions: int
) -> pa.Table:
    """Return the columns, with ``prompt``, ``embedding`` and ``error``."""
    embedding_qd, errors = found.vectors(prompts)
    if not embedding_qd.size:  # none was found: nobody knows their dimensions
        embedding_qd = np.full((len(prompts), n_dimensions), np.nan, dtype=np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(embedding_qd.ravel(), embedding_qd.shape[1])
    texts, reasons = pa.array(prompts, pa.string()), pa.array(errors, pa.string())
    return pa.table({**columns, "prompt": texts, "embedding": vectors, "error": reasons})


def _with_features(batch: Batch) -> Batch:
    """Replace column ``prompt`` by ``features``."""
    texts = [str(text) for text in batch.pop("prompt")]
    return {**batch, "features": text_features(texts)}


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"embeddings cannot be kept in {folder}: {error.strerror or error}; let SCOPE_CACHE name "
        "a folder that can be written, or pass --no-cache"
    )
