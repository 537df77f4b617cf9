"""Vectors kept between runs, found again by what they were made of and how."""

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

import numpy as np
import pyarrow as pa

from scope.arrays import AnyArray, BoolArray, Float32Array
from scope.config import StrictModel
from scope.storage.vector_shard import KEY, CacheShard, write_shard

LOOKUP_ROWS = 1_024
"""Things looked up at a time: bounds the memory that their vectors take."""

Item = TypeVar("Item")


class CorruptShardWarning(UserWarning):
    """A file of the cache was left aside; what it held is made again."""


class VectorCache(ABC, Generic[Item]):
    """Vectors of one recipe in a folder of immutable shards.

    A shard appears whole or not at all, and none is ever changed: any number of processes
    may read and write at once, and one that is killed leaves nothing half done. What others
    write is seen by a cache opened afterwards. A thing that two of them make at the same
    time is kept twice; one of the two vectors is then always the one returned.

    Parameters
    ----------
    root : Path
        Folder of all recipes; the shards lie in one named after `recipe`.
    recipe : StrictModel
        All that decides a vector besides the thing it is of.

    Warns
    -----
    DamagedShardWarning
        Here or in `find`: a shard cannot be read, or holds a row that is not as written.
        It is as if it were not there.
    """

    column: str
    """What a shard calls the vectors."""

    def __init__(self, root: Path, recipe: StrictModel) -> None:
        self._prefix = fingerprint_bytes(recipe)
        self.folder = root / hashlib.sha256(self._prefix).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shards: dict[Path, CacheShard] = {}
        for path in sorted(self.folder.glob("[!.]*.arrow")):  # a dot: somebody's draft
            self._open(path)
        self._build_index()

    @abstractmethod
    def key_bytes(self, item: Item) -> bytes:
        """Return all of a thing that decides its vector."""

    def keys(self, items: Sequence[Item]) -> AnyArray:
        """Return the key of each thing: a digest of what decides its vector, and the recipe.

        Returns
        -------
        ndarray of shape (n_items,)
            SHA-256 digests.
        """
        digests = [hashlib.sha256(self._prefix + self.key_bytes(item)).digest() for item in items]
        return np.array(digests, dtype=KEY)

    def missing(self, items: Sequence[Item]) -> list[int]:
        """Return where each thing stands that is not here: its first place only, rising."""
        first: dict[bytes, int] = {}
        for start in range(0, len(items), LOOKUP_ROWS):
            keys = self.keys(items[start : start + LOOKUP_ROWS])
            found, _ = self.lookup(keys)
            for n in np.flatnonzero(~found):
                first.setdefault(bytes(keys[n]), start + int(n))
        return list(first.values())

    def lookup(self, keys: AnyArray) -> tuple[BoolArray, Float32Array]:
        """Look up vectors; each is checked against the digest written with it.

        Parameters
        ----------
        keys : ndarray of shape (n_items,)

        Returns
        -------
        found : ndarray of shape (n_items,)
        vector_nd : ndarray of shape (n_items, n_dimensions)
            Bit for bit as added; rows that were not found are NaN. Where none was found
            there are no dimensions.
        """
        while True:
            found, shard_n, row_n = self._locate(keys)
            parts, damaged = {}, set()
            shards = list(self._shards.items())
            for s in np.unique(shard_n[found]):
                path, shard = shards[s]
                here = np.flatnonzero(found & (shard_n == s))
                if shard.is_intact(row_n[here]).all():
                    parts[s] = here, shard.vector_nd[row_n[here]]
                else:
                    damaged.add(path)
            if not damaged:
                return found, _scatter_rows(len(keys), parts.values())
            self._quarantine(damaged)

    def add(self, keys: AnyArray, vector_nd: Float32Array) -> None:
        """Write one shard; once this returns, it survives a kill.

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
        self._index_is_old = True

    def _open(self, path: Path) -> None:
        try:
            shard = CacheShard(path, self.column)
        except (OSError, pa.ArrowException, ValueError) as error:
            _warn(path, str(error).splitlines()[0] if str(error) else type(error).__name__)
            return
        self._shards[path] = shard

    def _quarantine(self, damaged: set[Path]) -> None:
        for path in damaged:
            _warn(path, "a vector in it is not the one that was written")
            del self._shards[path]
        self._build_index()

    def _build_index(self) -> None:
        """Sort the keys of all shards, with where each stands."""
        shards = list(self._shards.values())
        keys = np.concatenate([np.empty(0, KEY), *(shard.keys for shard in shards)])
        sizes = [len(shard.keys) for shard in shards]
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        self._shard_n = np.repeat(np.arange(len(shards)), sizes)
        self._row_n = np.concatenate([np.empty(0, np.int64), *(np.arange(n) for n in sizes)])
        self._index_is_old = False

    def _locate(self, keys: AnyArray) -> tuple[BoolArray, AnyArray, AnyArray]:
        """Return whether each key is known, and its shard and row there."""
        if self._index_is_old:
            self._build_index()
        if not len(self._sorted):
            nowhere = np.zeros(len(keys), dtype=np.int64)
            return nowhere.astype(bool), nowhere, nowhere
        place = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        source = self._order[place]
        return self._sorted[place] == keys, self._shard_n[source], self._row_n[source]


def _scatter_rows(n: int, parts: Iterable[tuple[AnyArray, Float32Array]]) -> Float32Array:
    """Return `n` rows: those of `parts` in their places, NaN in the others."""
    found = list(parts)
    dimension = found[0][1].shape[1] if found else 0
    vector_nd = np.full((n, dimension), np.nan, dtype=np.float32)
    for places, vectors in found:
        vector_nd[places] = vectors
    return vector_nd


def fingerprint_bytes(recipe: StrictModel) -> bytes:
    """Return what stands before a thing in its key; no two recipes begin alike."""
    return json.dumps(recipe.model_dump(), sort_keys=True).encode() + b"\0"


def _warn(path: Path, reason: str) -> None:
    warnings.warn(
        f"{path} is damaged and left aside: {reason}; delete it",
        CorruptShardWarning,
        stacklevel=3,
    )
