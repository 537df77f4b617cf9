"""The encoders of a bank, as users name them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scope.config import EncoderConfig
from scope.embedding import MINILM, split_layer

if TYPE_CHECKING:
    from pipelines.embedding.encoder_actor import EncoderSpec


@dataclass(frozen=True, slots=True)
class NamedEncoder:
    """An encoder of texts, and the commit of its weights."""

    name: str
    revision: str | None = None
    layer: int | None = None
    """Of a causal language model; None: an encoder of sentences."""

    @classmethod
    def parse(cls, name: str, revision: str | None = None) -> "NamedEncoder":
        """Return the encoder of a NAME, or a NAME#LAYER.

        Raises
        ------
        ConfigError
            If the layer is no number from 1 on.
        """
        found, layer = split_layer(name)
        return cls(found, revision, layer)

    def spec(self, config: EncoderConfig, cache: Path | None) -> "EncoderSpec":
        """Return the encoder with its settings, and the folder that keeps its vectors."""
        from pipelines.embedding.encoder_actor import EncoderSpec  # which imports Ray

        return EncoderSpec(self.name, self.revision, config, cache, layer=self.layer)


DEFAULT_ENCODER = NamedEncoder(MINILM)
