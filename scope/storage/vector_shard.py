"""One file of a vector cache: memory-mapped keys, digests and vectors."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from scope.arrays import AnyArray, BoolArray, Float32Array
from scope.storage.files import atomic_file

KEY = "S32"
"""NumPy type of a key, a SHA-256 digest."""

DIGEST_BYTES = 16


class CacheShard:
    """An Arrow file with columns ``key``, ``digest`` and the vectors, one row per item.

    The columns are views of the memory-mapped file, so only the rows in use are read from disk.

    Parameters
    ----------
    path : Path
    column : str
        Name of the vector column.

    Raises
    ------
    OSError, pyarrow.ArrowException, ValueError
        If `path` is not such a file; `is_intact` detects other damage.
    """

    def __init__(self, path: Path, column: str) -> None:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all().combine_chunks()
        table.validate()
        vector = table.schema.field(-1).type if table.num_columns else None
        if not table.num_rows or table.schema != _schema(column, getattr(vector, "list_size", 1)):
            raise ValueError(f"it has {table.num_rows} rows of {table.schema.names}")
        key, digest, vectors = (values.chunk(0) for values in table.columns)
        n = len(table)
        self.keys: AnyArray = np.frombuffer(key.buffers()[1], dtype=KEY, count=n)
        self._digests = np.frombuffer(digest.buffers()[1], dtype=f"S{DIGEST_BYTES}", count=n)
        values = vectors.flatten().to_numpy(zero_copy_only=True)
        self.vector_nd: Float32Array = values.reshape(n, -1)

    def is_intact(self, rows: AnyArray) -> BoolArray:
        """Return for each row whether key and vector match the digest."""
        intact: BoolArray = digests(self.keys[rows], self.vector_nd[rows]) == self._digests[rows]
        return intact


def write_shard(path: Path, column: str, keys: AnyArray, vector_nd: Float32Array) -> None:
    """Write a shard atomically."""
    n, dimension = vector_nd.shape
    values = np.ascontiguousarray(vector_nd, dtype=np.float32).ravel()
    columns = [
        _binary(keys, 32),
        _binary(digests(keys, vector_nd), DIGEST_BYTES),
        pa.FixedSizeListArray.from_arrays(values, dimension),
    ]
    table = pa.Table.from_arrays(columns, schema=_schema(column, dimension))
    with atomic_file(path) as draft, pa.ipc.new_file(str(draft), table.schema) as writer:
        writer.write_table(table, max_chunksize=max(n, 1))


def digests(keys: AnyArray, vector_nd: Float32Array) -> AnyArray:
    """Return a digest of each key together with its vector."""
    vectors = np.ascontiguousarray(vector_nd, dtype="<f4")
    raw = np.ascontiguousarray(keys).tobytes()
    hashes = [
        hashlib.blake2b(raw[32 * n : 32 * n + 32] + vector.tobytes(), digest_size=DIGEST_BYTES)
        for n, vector in enumerate(vectors)
    ]
    return np.array([digest.digest() for digest in hashes], dtype=f"S{DIGEST_BYTES}")


def _schema(column: str, dimension: int) -> pa.Schema:
    """Return the schema of a shard; no column is nullable."""
    vector = pa.list_(pa.float32(), dimension)
    types = {"key": pa.binary(32), "digest": pa.binary(DIGEST_BYTES), column: vector}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def _binary(values: AnyArray, size: int) -> pa.Array:
    buffer = pa.py_buffer(np.ascontiguousarray(values).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(values), [None, buffer])
