"""What a serve_config.yaml says of the reasoner, and what must be so before it starts."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from scope.bank import Bank
from scope.engine import EngineConfig
from scope.errors import ConfigError
from scope.reasoner import ReasonerConfig, ReasonerSpec


class ReasonerArgs(ReasonerConfig):
    """``args: reasoner`` of serve_config.yaml; without it nothing of the reasoner exists."""

    template: Annotated[Path | None, Field(strict=False)] = None  # YAML knows texts only
    """Jinja file with the wording of the prompt, on every node; None for ours."""
    engine: EngineConfig = EngineConfig()
    """How one engine is run, and on what; how many there are says the block of `ScopeEngine`."""
    max_cached_answers: int = Field(default=100_000, ge=1)
    """Answers that each Predictor keeps, some 200 bytes each."""


def check_reasoner(args: ReasonerArgs, bank: Bank) -> None:
    """Refuse a bank that has no texts to show, or has not learned what answers are worth.

    Raises
    ------
    ConfigError
        Also where it has learned so of another reasoner, naming what differs.
    """
    name = f"bank {bank.version or 'in memory'}"
    if bank.prompts is None:
        raise ConfigError(
            f"{name} has no question texts; the reasoning predictor needs them: "
            "build it without --drop-prompts"
        )
    if bank.reasoner is None:
        raise ConfigError(
            f"{name} does not say what a reasoner's answers are worth; "
            "run `scope bank fit --predictor scope`"
        )
    spec = ReasonerSpec.from_config(args)
    if differing := bank.reasoner.spec.differences(spec):
        raise ConfigError(
            f"{name} was calibrated for {bank.reasoner.spec}, args has {spec}: they differ in "
            f"{', '.join(differing)}; name that one, or run `scope bank fit "
            "--predictor scope` for this one"
        )
