"""The embedder's replica: one encoder, texts gathered into batches."""

import asyncio

from scope.arrays import Floats, Singles
from scope.encoder import Encoder
from scope.features import text_features

Embedded = tuple[Singles, Floats]
"""A prompt's vector and its features, each of shape (n,)."""


class Embedder:
    """Embeds prompts with the embedder of a bank."""

    def __init__(self, name: str, revision: str | None) -> None:
        self._encoder = Encoder(name, revision=revision)

    async def embed(self, prompts: list[str]) -> list[Embedded]:
        """Return vector and features of each prompt."""
        embedding_qd = await asyncio.to_thread(self._encoder.encode, prompts)
        return list(zip(embedding_qd, text_features(prompts), strict=True))
