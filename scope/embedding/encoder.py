"""Embed texts as unit vectors with a sentence-transformers model, on torch or onnxruntime."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from scope.arrays import Float32Array
from scope.config import BATCH_CHARS, Backend
from scope.embedding.layer_model import load_layer
from scope.embedding.onnx_model import OnnxModel
from scope.embedding.spec import (
    MAX_CHARS,
    MINILM,
    EmbedderSpec,
    default_backend,
    norms,
    resolve_model,
)
from scope.errors import ConfigError, first_line

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Encoder:
    """A sentence-transformers model, loaded once.

    Texts are cut to their first `max_chars` characters and get no instruction, as in the
    reference. Batches hold texts of similar length and a bounded number of characters, so that
    padding is small and long texts do not need more memory than short ones. Models with
    last-token pooling (Qwen3-Embedding) are padded on the left.

    Parameters
    ----------
    name : str, default=MINILM
        `MINILM`, a local folder, or a Hugging Face name.
    revision : str, optional
        Commit of a Hugging Face name.
    batch_chars : int, default=BATCH_CHARS
        Characters in one forward pass, including padding.
    max_chars : int, default=MAX_CHARS
        Characters of a text that are embedded.
    backend : {"onnx", "torch"}, optional
        What computes the vectors; by default torch if it sees a GPU, else `default_backend`.
    layer : int, optional
        Layer of the causal language model `name` whose mean over the tokens is the vector; torch
        alone computes it.

    Raises
    ------
    ConfigError
        If the model cannot be loaded, or not on the backend.
    """

    def __init__(
        self,
        name: str = MINILM,
        *,
        revision: str | None = None,
        batch_chars: int = BATCH_CHARS,
        max_chars: int = MAX_CHARS,
        backend: Backend | None = None,
        layer: int | None = None,
    ) -> None:
        import torch

        backend = backend or default_backend(name, on_gpu=torch.cuda.is_available())
        source, found_revision = resolve_model(name, revision)
        if layer is not None and backend == "onnx":
            raise ConfigError(f"layer {layer} of {name!r} cannot run on onnx; choose backend torch")
        try:
            self._model = (
                _load_sentence_model(source, revision, backend)
                if layer is None
                else load_layer(source, revision, layer)
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"embedder {name!r} cannot be loaded; expected {MINILM!r}, a folder of a "
                f"sentence-transformers model or a Hugging Face name: {first_line(error)}"
            ) from error
        self._model.default_prompt_name = None
        if uses_last_token_pooling(self._model):
            self._model.tokenizer.padding_side = "left"
        self._batch_chars = batch_chars
        self.spec = EmbedderSpec(
            name=name,
            revision=found_revision,
            dimension=int(self._model.get_embedding_dimension() or 0),
            max_chars=max_chars,
            backend=backend,
            layer=layer,
        )
        self._encode_batch: Callable[[list[str]], Float32Array] = self._encode_on_torch
        if backend == "onnx":
            self._encode_batch = OnnxModel(self._model, name, found_revision).encode

    @classmethod
    def from_spec(cls, spec: EmbedderSpec) -> Self:
        """Return the encoder of a bank, on the backend that is best here."""
        return cls(spec.name, revision=spec.revision, max_chars=spec.max_chars, layer=spec.layer)

    def encode(self, texts: Sequence[str]) -> Float32Array:
        """Embed texts; an error on one text fails the whole call.

        Returns
        -------
        ndarray of shape (n_texts, n_dimensions)
            Unit vectors, in the order of `texts`.
        """
        embedding_nd = np.empty((len(texts), self.spec.dimension), dtype=np.float32)
        cut = [text[: self.spec.max_chars] for text in texts]
        for batch in length_bucketed_batches([len(text) for text in cut], self._batch_chars):
            embedding_nd[batch] = self._encode_batch([cut[index] for index in batch])
        return embedding_nd

    def _encode_on_torch(self, texts: list[str]) -> Float32Array:
        vector_nd: Float32Array = self._model.encode(
            texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return vector_nd

    def encode_with_errors(self, texts: Sequence[str]) -> tuple[Float32Array, list[str]]:
        """Embed texts; a text that fails does not affect the others.

        A batch that fails is split in halves and tried again, which isolates a bad text in few
        passes and reduces the memory of a batch that is too large.

        Returns
        -------
        embedding_nd : ndarray of shape (n_texts, n_dimensions)
            Unit vectors, in the order of `texts`; NaN for a text that failed.
        errors : list of str
            Why a text failed; empty for the others.
        """
        try:
            embedding_nd = self.encode(texts)
        except Exception as error:
            if len(texts) > 1:
                half = len(texts) // 2
                parts = [
                    self.encode_with_errors(texts[:half]),
                    self.encode_with_errors(texts[half:]),
                ]
                embeddings, errors = zip(*parts, strict=True)
                return np.concatenate(embeddings), [message for part in errors for message in part]
            unknown = np.full((1, self.spec.dimension), np.nan, dtype=np.float32)
            return unknown, [f"the embedder failed: {first_line(error)}"]
        return _validate_norms(embedding_nd)


def _load_sentence_model(
    source: str, revision: str | None, backend: Backend
) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(
        source,
        revision=revision,
        trust_remote_code=False,
        device="cpu" if backend == "onnx" else None,
    )


def length_bucketed_batches(lengths: Sequence[int], batch_chars: int) -> Iterator[list[int]]:
    """Yield batches of text indices, longest texts first.

    The size of a batch times the length of its longest text is at most `batch_chars`; a batch
    has at least one text.

    Examples
    --------
    >>> list(length_bucketed_batches([3, 10, 2, 4], batch_chars=10))
    [[1], [3, 0], [2]]
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        size = max(batch_chars // max(lengths[order[start]], 1), 1)
        yield order[start : start + size]
        start += size


def _validate_norms(embedding_nd: Float32Array) -> tuple[Float32Array, list[str]]:
    """Return the vectors with NaN in place of those not of length 1, and an error for each."""
    length_n, is_unit_n = norms(embedding_nd)
    errors = [
        "" if is_unit else f"the embedder returned a vector of length {length:g}; expected 1"
        for is_unit, length in zip(is_unit_n, length_n, strict=True)
    ]
    return np.where(is_unit_n[:, None], embedding_nd, np.float32(np.nan)), errors


def uses_last_token_pooling(model: object) -> bool:
    """Return whether a model has last-token pooling, which needs padding on the left."""
    return any(getattr(module, "pooling_mode", None) == "lasttoken" for module in model)  # type: ignore[attr-defined]
