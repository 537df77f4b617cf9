"""Vectors of texts: looked up in the cache, else embedded once on Ray and kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from pipelines.stages import Stages
from scope.arrays import Singles
from scope.embedder import Recipe, locate
from scope.embedding_cache import EmbeddingCache
from scope.errors import ConfigError
from scope.features import text_features


def embedded_blocks(
    prompts: Sequence[str],
    blocks: Sequence[Mapping[str, Any]],
    encoder: TextEncoder,
    stages: Stages | None = None,
) -> Dataset:
    """Return the same blocks with ``embedding`` and ``features`` of their prompts.

    What the cache lacks is embedded first, each text once; the vectors then lie in Ray's
    object store, a block at a time, so that the driver holds one block.

    Parameters
    ----------
    prompts : sequence of str
    blocks : sequence of mapping
        Columns of each; ``row`` says which prompts it is of.
    encoder : TextEncoder
    stages : Stages, optional
        Gets a stage ``embedding``, if a text has to be embedded.
    """
    with open_cache(encoder) as cache:
        embed_missing(prompts, encoder, cache, stages or Stages())
        tables: list[Any] = [
            ray.put(_block(columns, [prompts[row] for row in columns["row"]], cache))
            for columns in blocks
        ]
    return ray.data.from_arrow_refs(tables).map_batches(
        _with_features, batch_size=None, batch_format="numpy", zero_copy_batch=False, num_cpus=0.5
    )


def embed_texts(
    prompts: Sequence[str], encoder: TextEncoder, stages: Stages | None = None
) -> Singles:
    """Return the vectors of `prompts` in their order, all of them in memory.

    Ray is started only if the cache lacks one.

    Returns
    -------
    ndarray of shape (n_prompts, n_dimensions)
    """
    with open_cache(encoder) as cache:
        embed_missing(prompts, encoder, cache, stages or Stages())
        return _vectors(prompts, cache)


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
    prompts: Sequence[str], encoder: TextEncoder, cache: EmbeddingCache, stages: Stages
) -> None:
    """Embed the texts that `cache` lacks, each once, and add them block by block.

    The last bits of a vector depend on the texts it was batched with. Blocks are cut and
    added in the order of the texts: a run that was killed goes on with the blocks an
    undisturbed one would have had, and ends with the same bits.
    """
    stages.begin("looking up")
    missing = cache.missing(prompts)
    stages.advance(len(prompts))
    if not missing:
        return
    with ray_session(stages):
        stages.begin("embedding", len(missing))
        check_gpus(encoder.config)
        DataContext.get_current().execution_options.preserve_order = True
        plan = embedded(prompt_rows(prompts, missing), encoder)
        for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
            keys = cache.keys([prompts[row] for row in batch["row"]])
            try:
                cache.add(keys, np.stack(list(batch["embedding"])))
            except OSError as error:
                raise _unwritable(cache.folder, error) from error
            stages.advance(len(keys))


def _block(columns: Mapping[str, Any], prompts: Sequence[str], cache: EmbeddingCache) -> pa.Table:
    """Return the columns, with ``prompt`` and ``embedding``."""
    embedding_qd = _vectors(prompts, cache)
    vectors = pa.FixedSizeListArray.from_arrays(embedding_qd.ravel(), embedding_qd.shape[1])
    texts = pa.array(prompts, pa.string())
    return pa.table({**columns, "prompt": texts, "embedding": vectors})


def _vectors(prompts: Sequence[str], cache: EmbeddingCache) -> Singles:
    found, embedding_qd = cache.find(cache.keys(prompts))
    if not found.all():
        raise ConfigError(f"{cache.folder} was damaged while it was read; run again")
    return embedding_qd


def _with_features(batch: Batch) -> Batch:
    """Replace column ``prompt`` by ``features``."""
    texts = [str(text) for text in batch.pop("prompt")]
    return {**batch, "features": text_features(texts)}


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"embeddings cannot be kept in {folder}: {error.strerror or error}; let SCOPE_CACHE name "
        "a folder that can be written, or pass --no-cache"
    )
