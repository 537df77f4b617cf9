"""Embed the texts that the cache lacks; open the caches of vectors."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import ray
from ray.data import DataContext, Dataset

from pipelines.cluster.session import ray_session
from pipelines.embedding.encoder_actor import EncoderSpec, check_gpus, embed_dataset, prompt_dataset
from pipelines.terminal import Stages
from scope.arrays import AnyArray, Float32Array
from scope.config import StrictModel
from scope.embedding import EmbeddingCache, EmbeddingFingerprint, resolve_model
from scope.errors import ConfigError
from scope.storage import VectorCache

Cache = TypeVar("Cache", bound=VectorCache[Any])


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """The vectors of texts, or the errors of those that could not be embedded."""

    cache: EmbeddingCache
    failed: Mapping[bytes, str]
    """Errors by the cache key of the text."""

    def vectors(self, prompts: Sequence[str]) -> tuple[Float32Array, list[str]]:
        """Return a vector (NaN if it failed) and an error (empty if it did not) per text."""
        keys = self.cache.keys(prompts)
        found, embedding_qd = self.cache.lookup(keys)
        errors = [self.failed.get(bytes(key), "") for key in keys]
        if any(not is_found and not error for is_found, error in zip(found, errors, strict=True)):
            raise ConfigError(f"{self.cache.folder} was damaged while it was read; run again")
        return embedding_qd, errors


@contextmanager
def embed_missing(
    prompts: Sequence[str], encoder: EncoderSpec, stages: Stages
) -> Iterator[EmbeddingResult]:
    """Embed the `prompts` that the cache lacks, each text once; yield the vectors of all.

    Ray is started only if a text is missing.
    """
    with open_embedding_cache(encoder) as cache:
        yield EmbeddingResult(cache, _embed_missing(prompts, encoder, cache, stages))


@contextmanager
def open_cache(
    cache_type: type[Cache], folder: Path | None, fingerprint: StrictModel, *, pinned: bool
) -> Iterator[Cache]:
    """Yield the cache in `folder`, or a temporary one that is deleted afterwards.

    Parameters
    ----------
    cache_type : type
    folder : Path or None
        Folder of the cache; None: nothing is kept.
    fingerprint : StrictModel
        Everything that decides a vector besides its key.
    pinned : bool
        Whether the revision of the weights is known. If not, nothing is kept: what the hub
        serves under a name may change.

    Raises
    ------
    ConfigError
        If the folder cannot be made.
    """
    if folder is None or not pinned:
        with TemporaryDirectory(prefix=f"scope-{cache_type.column}-") as temporary:
            yield cache_type(Path(temporary), fingerprint)
        return
    try:
        cache = cache_type(folder, fingerprint)
    except OSError as error:
        raise cache_write_error(cache_type, folder, error) from error
    yield cache


def cache_write_error(
    cache_type: type[VectorCache[Any]], folder: Path, error: OSError
) -> ConfigError:
    """Return an error that says what to do about a cache folder that cannot be written."""
    return ConfigError(
        f"{cache_type.column}s cannot be kept in {folder}: {error.strerror or error}; let "
        "SCOPE_CACHE name a folder that can be written, or pass --no-cache"
    )


def open_embedding_cache(encoder: EncoderSpec) -> AbstractContextManager[EmbeddingCache]:
    """Open the cache of the vectors of `encoder` (see `open_cache`)."""
    _, revision = resolve_model(encoder.name, encoder.revision)
    fingerprint = EmbeddingFingerprint(
        name=encoder.name,
        revision=revision or "unknown",
        max_chars=encoder.max_chars,
        backend=encoder.backend,
        layer=encoder.layer,
    )
    return open_cache(EmbeddingCache, encoder.cache, fingerprint, pinned=revision is not None)


def _embed_missing(
    prompts: Sequence[str], encoder: EncoderSpec, cache: EmbeddingCache, stages: Stages
) -> dict[bytes, str]:
    """Embed the texts that `cache` lacks, each once, and add them block by block.

    The last bits of a vector depend on the other texts of its batch. Blocks are cut and added
    in the order of the texts, so that a run continued after a kill has the same blocks, and the
    same bits, as an uninterrupted one.

    Returns
    -------
    dict of bytes to str
        Errors of the texts that could not be embedded, by cache key.
    """
    stages.begin("looking up")
    missing = cache.missing(prompts)
    stages.advance(len(prompts))
    failed: dict[bytes, str] = {}
    if not missing:
        return failed
    with ray_session(stages):
        stages.begin("embedding", len(missing))
        check_gpus(encoder.config)
        DataContext.get_current().execution_options.preserve_order = True
        plan = embed_dataset(prompt_dataset(prompts, missing), encoder)
        for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
            keys = cache.keys([prompts[row] for row in batch["row"]])
            good = batch["error"] == ""
            failed |= dict(zip(map(bytes, keys[~good]), batch["error"][~good], strict=True))
            try:
                cache.add(keys[good], np.stack(list(batch["embedding"]))[good])
            except OSError as error:
                raise cache_write_error(EmbeddingCache, cache.folder, error) from error
            stages.advance(len(keys), errors=int(np.sum(~good)))
    return failed


def dataset_with_embeddings(
    prompts: Sequence[str],
    blocks: Sequence[Mapping[str, Any]],
    encoder: EncoderSpec,
    n_dimensions: int,
    stages: Stages | None = None,
    second: EncoderSpec | None = None,
) -> Dataset:
    """Return the blocks with additional columns ``prompt``, ``embedding`` and ``error``.

    Missing texts are embedded first, each once. The vectors move to Ray's object store block by
    block, so that the driver holds one block. A prompt that could not be embedded has a vector
    of NaN and a message in ``error``, which is empty for the others.

    Parameters
    ----------
    prompts : sequence of str
    blocks : sequence of mapping
        Columns of each; ``row`` has the indices of its prompts.
    encoder : EncoderSpec
    n_dimensions : int
    stages : Stages, optional
        Begins a stage ``embedding`` if a text has to be embedded.
    second : EncoderSpec, optional
        Adds a column ``second`` with the vectors of another encoder; a prompt that it could not
        embed has its message in ``error``, too.
    """
    stages = stages or Stages()
    with ExitStack() as stack:
        found = stack.enter_context(embed_missing(prompts, encoder, stages))
        found_second = (
            None if second is None else stack.enter_context(embed_missing(prompts, second, stages))
        )
        tables: list[Any] = []
        for columns in blocks:
            texts = [prompts[row] for row in columns["row"]]
            block = _block(columns, texts, found, n_dimensions)
            tables.append(ray.put(_with_second(block, texts, found_second)))
    return ray.data.from_arrow_refs(tables)


def embed_texts(
    prompts: Sequence[str], encoder: EncoderSpec, stages: Stages | None = None
) -> Float32Array:
    """Return the vectors of `prompts`, all in memory.

    Ray is started only if the cache lacks a text.

    Returns
    -------
    ndarray of shape (n_prompts, n_dimensions)

    Raises
    ------
    ConfigError
        If a text cannot be embedded; names the first.
    """
    with embed_missing(prompts, encoder, stages or Stages()) as found:
        embedding_qd, errors = found.vectors(prompts)
    if any(errors):
        first = next(n for n, error in enumerate(errors) if error)
        n_failed = sum(map(bool, errors))
        raise ConfigError(
            f"{n_failed:,} of {len(prompts):,} texts cannot be embedded; the first is "
            f"{prompts[first][:60]!r}: {errors[first]}"
        )
    return embedding_qd


def _block(
    columns: Mapping[str, Any], prompts: Sequence[str], found: EmbeddingResult, n_dimensions: int
) -> pa.Table:
    """Return the columns, with ``prompt``, ``embedding`` and ``error``."""
    embedding_qd, errors = found.vectors(prompts)
    if not embedding_qd.size:  # no vector was found, so its dimension is unknown here
        embedding_qd = np.full((len(prompts), n_dimensions), np.nan, dtype=np.float32)
    texts, messages = pa.array(prompts, pa.string()), pa.array(errors, pa.string())
    added = {"prompt": texts, "embedding": to_fixed_size_list(embedding_qd), "error": messages}
    return pa.table({**columns, **added})


def _with_second(
    block: pa.Table, prompts: Sequence[str], found: EmbeddingResult | None
) -> pa.Table:
    """Return a block with the vectors of a second encoder, and its errors where it has none."""
    if found is None:
        return block
    second_qy, errors = found.vectors(prompts)
    both = [first or error for first, error in zip(block["error"].to_pylist(), errors, strict=True)]
    column = block.schema.get_field_index("error")
    block = block.set_column(column, "error", pa.array(both, pa.string()))
    return block.append_column("second", to_fixed_size_list(second_qy))


def to_fixed_size_list(values: AnyArray) -> pa.Array:
    """Return a matrix as one fixed-size list per row."""
    return pa.FixedSizeListArray.from_arrays(np.ravel(values), values.shape[1])
