"""What a serve_config.yaml says of the reasoner, and what must be so before it starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from scope.bank import Bank
from scope.engine import EngineConfig, check_fits
from scope.errors import ConfigError
from scope.reasoner import ReasonerConfig, ReasonerSpec


class ReasonerArgs(ReasonerConfig):
    """``args: reasoner`` of serve_config.yaml; without it nothing of the reasoner exists."""

    template: Annotated[Path | None, Field(strict=False)] = None  # YAML knows texts only
    engine: EngineConfig = EngineConfig()
    """How one engine is run, and on what; how many there are says the block of `ScopeEngine`."""
    max_cached_answers: int = Field(default=100_000, ge=1)
    """Answers that each Predictor keeps, some 200 bytes each."""
