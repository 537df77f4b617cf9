"""Turn texts into unit vectors with any sentence-transformers model."""

from collections.abc import Iterator, Sequence

import numpy as np

from scope.arrays import Float32Array
from scope.config import BATCH_CHARS
from scope.embedding.spec import MAX_CHARS, MINILM, EmbedderSpec, norms, resolve_model
from scope.errors import ConfigError, first_line


class Encoder:
    """A sentence-transformers model, loaded once.

    Texts are cut to their first `max_chars` characters and get no instruction,
    as in the reference. They are batched by length and by volume: little of a
    batch is padding, and a batch of long texts is no larger than one of short.
    Models that read their vector off the last token (Qwen3-Embedding) are padded
    on the left.

    Parameters
    ----------
    name : str, default=MINILM
        `MINILM`, a local folder, or a Hugging Face name.
    revision : str, optional
        Commit of a Hugging Face name.
    batch_chars : int, default=BATCH_CHARS
        Characters in one forward pass, padding included.
    max_chars : int, default=MAX_CHARS

    Raises
    ------
    ConfigError
        If there is no such model.
    """

    def __init__(
        self,
        name: str = MINILM,
        *,
        revision: str | None = None,
        batch_chars: int = BATCH_CHARS,
        max_chars: int = MAX_CHARS,
    ) -> None:
        from sentence_transformers import SentenceTransformer

        source, found_revision = resolve_model(name, revision)
        try:
            self._model = SentenceTransformer(source, revision=revision, trust_remote_code=False)
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
        )

    def encode(self, texts: Sequence[str]) -> Float32Array:
        """Embed texts.

        Returns
        -------
        ndarray of shape (n_texts, n_dimensions)
            Vectors of length 1, in the order of `texts`.
        """
        embedding_nd = np.empty((len(texts), self.spec.dimension), dtype=np.float32)
        cut = [text[: self.spec.max_chars] for text in texts]
        for batch in length_bucketed_batches([len(text) for text in cut], self._batch_chars):
            embedding_nd[batch] = self._model.encode(
                [cut[position] for position in batch],
                batch_size=len(batch),
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return embedding_nd

    def encode_with_errors(self, texts: Sequence[str]) -> tuple[Float32Array, list[str]]:
        """Embed texts of which some may fail; one that does takes no other with it.

        Texts that fail together are tried again by halves, so that one bad text costs few
        passes, and too many for the memory are fewer the next time.

        Returns
        -------
        embedding_nd : ndarray of shape (n_texts, n_dimensions)
            Vectors of length 1, in the order of `texts`; NaN where there is none.
        errors : list of str
            Why there is none; empty where there is one.
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
                embedding, errors = zip(*parts, strict=True)
                return np.concatenate(embedding), [text for part in errors for text in part]
            nothing = np.full((1, self.spec.dimension), np.nan, dtype=np.float32)
            return nothing, [f"the embedder failed: {first_line(error)}"]
        return _validate_norms(embedding_nd)


def length_bucketed_batches(lengths: Sequence[int], batch_chars: int) -> Iterator[list[int]]:
    """Yield positions of texts to embed together, longest first.

    A batch holds as many texts as its longest fits into `batch_chars`, at least one.

    Examples
    --------
    >>> list(length_bucketed_batches([3, 10, 2, 4], batch_chars=10))
    [[1], [3, 0], [2]]
    """
    order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
    start = 0
    while start < len(order):
        size = max(batch_chars // max(lengths[order[start]], 1), 1)
        yield order[start : start + size]
        start += size


def _validate_norms(embedding_nd: Float32Array) -> tuple[Float32Array, list[str]]:
    """Return vectors with NaN for those not of length 1, and what is wrong with each."""
    length_n, unit_n = norms(embedding_nd)
    errors = [
        "" if unit else f"the embedder gave a vector of length {length:g}; expected 1"
        for unit, length in zip(unit_n, length_n, strict=True)
    ]
    return np.where(unit_n[:, None], embedding_nd, np.float32(np.nan)), errors


def uses_last_token_pooling(model: object) -> bool:
    """Say whether a vector is read off the last token, so that padding must stand on the left."""
    return any(getattr(module, "pooling_mode", None) == "lasttoken" for module in model)  # type: ignore[attr-defined]
