"""Embeddings kept between runs, found again by what was embedded and how."""

import hashlib
import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa

from scope.arrays import Array, Bools, Singles
from scope.embedder import Recipe
from scope.embedding_shard import KEY, Shard, write_shard

LOOKUP_ROWS = 1_024
"""Texts looked up at a time: bounds the memory that their vectors take."""


class DamagedShardWarning(UserWarning):
    """A file of the cache was left aside; what it held is embedded again."""


class EmbeddingCache:
    """Vectors of one recipe in a folder of immutable shards.

    A shard appears whole or not at all, and none is ever changed: any number of processes
    may read and write at once, and one that is killed leaves nothing half done. What others
    write is seen by a cache opened afterwards. A text that two of them embed at the same
    time is kept twice; one of the two vectors is then always the one returned.

    Parameters
    ----------
    root : Path
        Folder of all recipes; the shards lie in one named after `recipe`.
    recipe : Recipe

    Warns
    -----
    DamagedShardWarning
        Here or in `find`: a shard cannot be read, or holds a row that is not as written.
        It is as if it were not there.
    """

    def __init__(self, root: Path, recipe: Recipe) -> None:
        self._prefix = recipe_bytes(recipe)
        self._max_chars = recipe.max_chars
        self.folder = root / hashlib.sha256(self._prefix).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shards: dict[Path, Shard] = {}
        for path in sorted(self.folder.glob("[!.]*.arrow")):  # a dot: somebody's draft
            self._open(path)
        self._index()

    def keys(self, texts: Sequence[str]) -> Array:
        """Return the key of each text: what the encoder would see of it, and the recipe.

        Returns
        -------
        ndarray of shape (n_texts,)
            SHA-256 digests. Texts that differ only where they are cut share one.
        """
        digests = [self._key(text[: self._max_chars]) for text in texts]
        return np.array(digests, dtype=KEY)

    def missing(self, texts: Sequence[str]) -> list[int]:
        """Return where each text stands that is not here: its first place only, rising."""
        first: dict[bytes, int] = {}
        for start in range(0, len(texts), LOOKUP_ROWS):
            keys = self.keys(texts[start : start + LOOKUP_ROWS])
            found, _ = self.find(keys)
            for n in np.flatnonzero(~found):
                first.setdefault(bytes(keys[n]), start + int(n))
        return list(first.values())

    def find(self, keys: Array) -> tuple[Bools, Singles]:
        """Look up vectors; each is checked against the digest written with it.

        Parameters
        ----------
        keys : ndarray of shape (n_texts,)

        Returns
        -------
        found : ndarray of shape (n_texts,)
        embedding_nd : ndarray of shape (n_texts, n_dimensions)
            Bit for bit as added; rows that were not found are NaN. Where none was found
            there are no dimensions.
        """
        while True:
            found, shard_n, row_n = self._places(keys)
            parts, damaged = {}, set()
            shards = list(self._shards.items())
            for s in np.unique(shard_n[found]):
                path, shard = shards[s]
                here = np.flatnonzero(found & (shard_n == s))
                if shard.intact(row_n[here]).all():
                    parts[s] = here, shard.embedding_nd[row_n[here]]
                else:
                    damaged.add(path)
            if not damaged:
                return found, _joined(len(keys), parts.values())
            self._drop(damaged)

    def add(self, keys: Array, embedding_nd: Singles) -> None:
        """Write one shard; once this returns, it survives a kill.

        Parameters
        ----------
        keys : ndarray of shape (n_texts,)
        embedding_nd : ndarray of shape (n_texts, n_dimensions)
        """
        if not len(keys):
            return
        path = self.folder / f"{uuid4().hex}.arrow"
        write_shard(path, keys, embedding_nd)
        self._open(path)
        self._index_is_old = True

    def _key(self, seen: str) -> bytes:
        # A lone surrogate is no UTF-8, but still a text like no other.
        return hashlib.sha256(self._prefix + seen.encode("utf-8", "surrogatepass")).digest()

    def _open(self, path: Path) -> None:
        try:
            shard = Shard(path)
        except (OSError, pa.ArrowException, ValueError) as error:
            _warn(path, str(error).splitlines()[0] if str(error) else type(error).__name__)
            return
        self._shards[path] = shard

    def _drop(self, damaged: set[Path]) -> None:
        for path in damaged:
            _warn(path, "a vector in it is not the one that was written")
            del self._shards[path]
        self._index()

    def _index(self) -> None:
        """Sort the keys of all shards, with where each stands."""
        shards = list(self._shards.values())
        keys = np.concatenate([np.empty(0, KEY), *(shard.keys for shard in shards)])
        sizes = [len(shard.keys) for shard in shards]
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        self._shard_n = np.repeat(np.arange(len(shards)), sizes)
        self._row_n = np.concatenate([np.empty(0, np.int64), *(np.arange(n) for n in sizes)])
        self._index_is_old = False

    def _places(self, keys: Array) -> tuple[Bools, Array, Array]:
        """Return whether each key is known, and its shard and row there."""
        if self._index_is_old:
            self._index()
        if not len(self._sorted):
            nowhere = np.zeros(len(keys), dtype=np.int64)
            return nowhere.astype(bool), nowhere, nowhere
        place = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        source = self._order[place]
        return self._sorted[place] == keys, self._shard_n[source], self._row_n[source]


def _joined(n: int, parts: Iterable[tuple[Array, Singles]]) -> Singles:
    """Return `n` rows: those of `parts` in their places, NaN in the others."""
    found = list(parts)
    dimension = found[0][1].shape[1] if found else 0
    embedding_nd = np.full((n, dimension), np.nan, dtype=np.float32)
    for places, vectors in found:
        embedding_nd[places] = vectors
    return embedding_nd


def recipe_bytes(recipe: Recipe) -> bytes:
    """Return what stands before a text in its key; no two recipes begin alike."""
    return json.dumps(recipe.model_dump(), sort_keys=True).encode() + b"\0"


def _warn(path: Path, reason: str) -> None:
    warnings.warn(
        f"{path} is damaged and left aside: {reason}; delete it",
        DamagedShardWarning,
        stacklevel=3,
    )
