"""Embeddings kept between runs, found again by what was embedded and how."""

from pathlib import Path

from scope.embedder import EmbeddingFingerprint
from scope.vector_cache import VectorCache


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
