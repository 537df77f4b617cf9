"""Content-addressed cache of vectors, kept on disk between runs."""

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

import numpy as np
import pyarrow as pa

from scope.arrays import AnyArray, BoolArray, Float32Array
from scope.config import StrictModel
from scope.errors import ScopeWarning
from scope.storage.vector_shard import KEY, CacheShard, write_shard

LOOKUP_ROWS = 1_024
"""Items looked up at a time, which bounds the memory for their vectors."""

Item = TypeVar("Item")


class CorruptShardWarning(ScopeWarning):
    """A file of the cache is damaged and ignored; its vectors are computed again."""


class VectorCache(ABC, Generic[Item]):
    """Vectors with one fingerprint, in a folder of immutable shards.

    Shards are written atomically and never changed, so any number of processes may read and
    write at once, and a killed process leaves no partial shard. A cache sees the shards that
    other processes wrote before it was opened. An item that two processes add at the same time
    is stored twice; a lookup always returns the same one of the two vectors.

    Parameters
    ----------
    root : Path
        Parent folder; the shards are in a subfolder named after a hash of `fingerprint`.
    fingerprint : StrictModel
        Everything that determines a vector besides its item.

    Warns
    -----
    CorruptShardWarning
        Here or in `lookup`, if a shard cannot be read, or a row does not match its digest.
        The shard is ignored.
    """

    column: str
    """Name of the vector column in a shard."""

    def __init__(self, root: Path, fingerprint: StrictModel) -> None:
        self._prefix = fingerprint_bytes(fingerprint)
        self.folder = root / hashlib.sha256(self._prefix).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shards: dict[Path, CacheShard] = {}
        for path in sorted(self.folder.glob("[!.]*.arrow")):  # a dot marks an unfinished file
            self._open(path)
        self._build_index()

    @abstractmethod
    def key_bytes(self, item: Item) -> bytes:
        """Return the part of an item that determines its vector, as bytes."""

    def keys(self, items: Sequence[Item]) -> AnyArray:
        """Return the key of each item: a digest of the fingerprint and its `key_bytes`.

        Returns
        -------
        ndarray of shape (n_items,)
            SHA-256 digests.
        """
        digests = [hashlib.sha256(self._prefix + self.key_bytes(item)).digest() for item in items]
        return np.array(digests, dtype=KEY)

    def missing(self, items: Sequence[Item]) -> list[int]:
        """Return the indices of items that are not in the cache, ascending, without repeats."""
        first: dict[bytes, int] = {}
        for start in range(0, len(items), LOOKUP_ROWS):
            keys = self.keys(items[start : start + LOOKUP_ROWS])
            found, _ = self.lookup(keys)
            for n in np.flatnonzero(~found):
                first.setdefault(bytes(keys[n]), start + int(n))
        return list(first.values())

    def lookup(self, keys: AnyArray) -> tuple[BoolArray, Float32Array]:
        """Look up vectors; each is checked against its stored digest.

        Parameters
        ----------
        keys : ndarray of shape (n_items,)

        Returns
        -------
        found : ndarray of bool of shape (n_items,)
        vector_nd : ndarray of shape (n_items, n_dimensions)
            Bit for bit as added; NaN for items that were not found. If none was found,
            `n_dimensions` is 0.
        """
        while True:
            found, shard_n, row_n = self._locate(keys)
            parts, damaged = [], set()
            shards = list(self._shards.items())
            for number in np.unique(shard_n[found]):
                path, shard = shards[number]
                indices = np.flatnonzero(found & (shard_n == number))
                if shard.is_intact(row_n[indices]).all():
                    parts.append((indices, shard.vector_nd[row_n[indices]]))
                else:
                    damaged.add(path)
            if not damaged:
                return found, _scatter_rows(len(keys), parts)
            self._quarantine(damaged)

    def add(self, keys: AnyArray, vector_nd: Float32Array) -> None:
        """Write one shard; once this returns, the vectors survive a crash of the process.

        Parameters
        ----------
        keys : ndarray of shape (n_items,)
        vector_nd : ndarray of shape (n_items, n_dimensions)
        """
        if not len(keys):
            return
        path = self.folder / f"{uuid4().hex}.arrow"
        write_shard(path, self.column, keys, vector_nd)
        self._open(path)
        self._index_is_stale = True

    def _open(self, path: Path) -> None:
        try:
            shard = CacheShard(path, self.column)
        except (OSError, pa.ArrowException, ValueError) as error:
            _warn(path, str(error).splitlines()[0] if str(error) else type(error).__name__)
            return
        self._shards[path] = shard

    def _quarantine(self, damaged: set[Path]) -> None:
        for path in damaged:
            _warn(path, "a vector does not match its digest")
            del self._shards[path]
        self._build_index()

    def _build_index(self) -> None:
        """Sort the keys of all shards, and keep shard and row of each."""
        shards = list(self._shards.values())
        keys = np.concatenate([np.empty(0, KEY), *(shard.keys for shard in shards)])
        sizes = [len(shard.keys) for shard in shards]
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        self._shard_n = np.repeat(np.arange(len(shards)), sizes)
        self._row_n = np.concatenate([np.empty(0, np.int64), *(np.arange(n) for n in sizes)])
        self._index_is_stale = False

    def _locate(self, keys: AnyArray) -> tuple[BoolArray, AnyArray, AnyArray]:
        """Return whether each key is known, and its shard and row."""
        if self._index_is_stale:
            self._build_index()
        if not len(self._sorted):
            zeros = np.zeros(len(keys), dtype=np.int64)
            return zeros.astype(bool), zeros, zeros
        index_n = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        source_n = self._order[index_n]
        return self._sorted[index_n] == keys, self._shard_n[source_n], self._row_n[source_n]


def _scatter_rows(n: int, parts: Sequence[tuple[AnyArray, Float32Array]]) -> Float32Array:
    """Return `n` rows: those of `parts` at their indices, NaN elsewhere."""
    dimension = parts[0][1].shape[1] if parts else 0
    vector_nd = np.full((n, dimension), np.nan, dtype=np.float32)
    for indices, vectors in parts:
        vector_nd[indices] = vectors
    return vector_nd


def fingerprint_bytes(fingerprint: StrictModel) -> bytes:
    """Return the prefix of hashed keys; none is a prefix of another, as it ends in a NUL byte."""
    return json.dumps(fingerprint.model_dump(), sort_keys=True).encode() + b"\0"


def _warn(path: Path, reason: str) -> None:
    warnings.warn(
        f"{path} is damaged and ignored: {reason}; delete it",
        CorruptShardWarning,
        stacklevel=3,
    )
