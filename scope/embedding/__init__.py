"""Text embeddings: embedder specification, encoder, text features and exact anchor search."""

from scope.embedding.encoder import Encoder
from scope.embedding.index import AnchorIndex
from scope.embedding.spec import (
    MAX_CHARS,
    MINILM,
    EmbedderSpec,
    EmbeddingCache,
    EmbeddingFingerprint,
    default_backend,
    is_none,
    norms,
    resolve_model,
    split_layer,
)
from scope.embedding.text_features import FEATURES, text_features

__all__ = [
    "FEATURES",
    "MAX_CHARS",
    "MINILM",
    "AnchorIndex",
    "EmbedderSpec",
    "EmbeddingCache",
    "EmbeddingFingerprint",
    "Encoder",
    "default_backend",
    "is_none",
    "norms",
    "resolve_model",
    "split_layer",
    "text_features",
]
