"""What the Router asks of the reasoner, by way of the Predictor, and under which settings."""

from typing import Literal, NamedTuple

from pydantic import Field

from deployments.prediction import Prediction
from scope.arrays import FloatArray
from scope.config import StrictModel, Usd
from scope.errors import ConfigError
from scope.policy import Policy
from scope.pool import ModelSpec

ReasoningMode = Literal["exact", "expected"]


class ReasoningSettings(StrictModel):
    """When the reasoner is asked, and for how long."""

    mode: Literal["off", "exact", "expected"] = "off"
    """``exact``: whoever may still change the decision; ``expected``: whoever is worth it."""
    deadline_ms: int = Field(default=1_000, ge=1)
    """How long one prompt waits for it, at most half of the request's deadline."""
    max_concurrency: int = Field(default=8, ge=1)
    """Most calls of one request under way."""
    usd_per_mtok: Usd = 0.0
    """What a million of the engine's own tokens cost; ``expected`` weighs answers against it."""

    def check(self, *, engine: bool) -> None:
        """Refuse to ask where nobody answers.

        Raises
        ------
        ConfigError
            If there is no engine.
        """
        if self.mode != "off" and not engine:
            raise ConfigError(
                f"reasoning.mode is {self.mode!r}, and there is no engine to ask; "
                "give args a reasoner, or let it be 'off'"
            )


class ReasoningQuestion(NamedTuple):
    """One question, with all that its decision rests on."""

    text: str
    prediction: Prediction
    """Of all models of the bank."""
    models: tuple[ModelSpec, ...]
    """The permitted ones, at today's prices."""
    policy: Policy


class ReasoningRequest(NamedTuple):
    """The questions of one request."""

    bank: str
    """Version of the bank that was predicted from."""
    cases: list[ReasoningQuestion]
    mode: ReasoningMode
    at_once: int
    timeout_s: float
    """When the answers are wanted, counted from their being asked for."""
    usd_per_mtok: float


class ReasoningResult(NamedTuple):
    """What asking came to for one question."""

    answer_2m: FloatArray
    """As in a `Prediction`: what takes part in the decision."""
    n_queries: int
    """Calls of the engine."""
    n_avoided: int
    """Permitted models about which nothing had to be asked."""
    cancelled: int
    """Calls that became needless under way."""
    failed: int
    """Calls that brought nothing."""
    degraded: str | None
    """Why less is known than could be."""
