"""Vectors of texts, as blocks for a pipeline or as one matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import Dataset

from pipelines.embed import EncoderSpec
from pipelines.embedding import EmbeddingResult, embed_missing
from pipelines.stages import Stages
from scope.arrays import AnyArray, Float32Array
from scope.errors import ConfigError


def dataset_with_embeddings(
    prompts: Sequence[str],
    blocks: Sequence[Mapping[str, Any]],
    encoder: EncoderSpec,
    n_dimensions: int,
    stages: Stages | None = None,
) -> Dataset:
    """Return the same blocks with ``prompt``, ``embedding`` and ``error``.

    What the cache lacks is embedded first, each text once; the vectors then lie in Ray's
    object store, a block at a time, so that the driver holds one block. A prompt that could
    not be embedded has a vector of NaN and says in ``error`` why; others have nothing there.

    Parameters
    ----------
    prompts : sequence of str
    blocks : sequence of mapping
        Columns of each; ``row`` says which prompts it is of.
    encoder : EncoderSpec
    n_dimensions : int
    stages : Stages, optional
        Gets a stage ``embedding``, if a text has to be embedded.
    """
    with embed_missing(prompts, encoder, stages or Stages()) as found:
        tables: list[Any] = [
            ray.put(_block(columns, [prompts[row] for row in columns["row"]], found, n_dimensions))
            for columns in blocks
        ]
    return ray.data.from_arrow_refs(tables)


def embed_texts(
    prompts: Sequence[str], encoder: EncoderSpec, stages: Stages | None = None
) -> Float32Array:
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
    if not embedding_qd.size:  # none was found: nobody knows their dimensions
        embedding_qd = np.full((len(prompts), n_dimensions), np.nan, dtype=np.float32)
    texts, reasons = pa.array(prompts, pa.string()), pa.array(errors, pa.string())
    own = {"prompt": texts, "embedding": to_fixed_size_list(embedding_qd), "error": reasons}
    return pa.table({**columns, **own})


def to_fixed_size_list(values: AnyArray) -> pa.Array:
    """Return a matrix as one list of fixed length a row."""
    return pa.FixedSizeListArray.from_arrays(np.ravel(values), values.shape[1])
