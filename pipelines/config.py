"""The settings of a job, read from one YAML file."""

from pathlib import Path
from typing import Self

from scope.config import AnchorConfig, EncoderConfig, StrictModel, parse
from scope.errors import ConfigError
from scope.reasoner import EngineConfig, ReasonerConfig
from scope.text_files import read_text
from scope.yaml_text import parse_yaml


class JobConfig(StrictModel):
    """Root of the file given to ``--config``."""

    anchors: AnchorConfig | None = None
    """None: those that the bank was fitted with, else the defaults."""
    encoder: EncoderConfig = EncoderConfig()
    reasoner: ReasonerConfig | None = None
    """None: the one that the bank was fitted with."""
    engine: EngineConfig = EngineConfig()
    """Settings of the engine that runs the reasoner."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read one YAML file.

        Raises
        ------
        ConfigError
            If it cannot be read, is not YAML, or holds anything but these settings.
        """
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
        data = parse_yaml(text, str(path))
        return parse(cls, {} if data is None else data, str(path))
