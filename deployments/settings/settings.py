"""What may change while the router serves: ``user_config`` in serve_config.yaml."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from deployments.settings.preferences import ObjectiveFields
from deployments.telemetry import LogSettings
from deployments.upstream import RetrySettings, UpstreamSettings
from scope.config import StrictModel, Usd
from scope.errors import ConfigError, join_names
from scope.pool import ModelSpec
from scope.questions import MAX_PROMPT_CHARS


class DefaultObjective(ObjectiveFields):
    """Objective of requests that name none: exactly one field."""

    @model_validator(mode="after")
    def _exactly_one_objective(self) -> Self:
        if len(self.objective_settings) != 1:
            given = " and ".join(self.objective_settings) or "none"
            raise ValueError(f"give one of {', '.join(ObjectiveFields.model_fields)}; got {given}")
        return self


class Limits(StrictModel):
    """How much one request may ask for."""

    max_body_bytes: int = Field(default=4 * 2**20, ge=1)
    """Longest body, images included."""
    max_prompt_chars: int = Field(default=MAX_PROMPT_CHARS, ge=1)
    """Longest text of one turn."""
    max_prompts: int = Field(default=512, ge=1)
    """Most prompts in one call of ``/v1/route``."""
    max_choices: int = Field(default=8, ge=1)
    """Largest ``n``: each of them is billed."""
    max_completion_tokens: int = Field(default=32_768, ge=1)
    """Largest ``max_tokens`` or ``max_completion_tokens``."""
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Rate of an API key that has none of its own, in each replica; None: no limit."""
    max_in_flight: int = Field(default=512, ge=1)
    """Requests under way at once in each replica; more get a 503."""
    deadline_ms: int = Field(default=60_000, ge=1)
    """What a request may take that does not say."""
    decision_ms: int = Field(default=2_000, ge=1)
    """How long one prompt waits for embedder and predictor, at most half of its deadline."""


class SessionSettings(StrictModel):
    """How long, and how firmly, a session keeps its model."""

    ttl_s: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """A session that is silent for this long is forgotten."""
    max_sessions: int = Field(default=100_000, ge=1)
    """The longest silent is forgotten beyond this; in each replica."""
    margin: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    """Right answers a turn, at the price of the dial, for which it is worth switching."""
    cache_discount: float = Field(default=0.9, ge=0, le=1)
    """Share of the prompt price that an upstream does not charge for what it has cached."""


class ApiKey(StrictModel):
    """An API key, by its digest; nobody can read the key out of it."""

    name: str = Field(min_length=1)
    """What logs and metrics call it."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    """``printf %s KEY | sha256sum``."""
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Access(StrictModel):
    """Who may call."""

    anonymous: bool = False
    """Serve anyone, without a key."""
    keys: tuple[ApiKey, ...] = ()
    key_file: str | None = None
    """Lines of digest and name, as sha256sum prints them; ``#`` starts a comment."""

    @model_validator(mode="after")
    def _decided(self) -> Self:
        keyed = bool(self.keys) or self.key_file is not None
        if keyed and self.anonymous:
            raise ValueError("anonymous serves anyone, so that keys mean nothing; give one of them")
        if not keyed and not self.anonymous:
            raise ValueError(
                "no API key; give keys or key_file, or anonymous: true to serve anyone"
            )
        return self


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


class RouterSettings(StrictModel):
    """Root of the Router's ``user_config``."""

    access: Access
    """Has no default: nobody serves the world by forgetting a line."""
    policy: DefaultObjective = DefaultObjective(alpha=0.6)
    pool: tuple[str, ...] | None = None
    """Models to choose among, in this order; None means all of the bank."""
    models: tuple[ModelSpec, ...] = ()
    """Today's prices, windows and capabilities of models, in place of the bank's."""
    default_model: str | None = None
    """Answers when no decision can be made."""
    limits: Limits = Limits()
    sessions: SessionSettings = SessionSettings()
    max_cached_predictions: int = Field(default=10_000, ge=0)
    """Prompts whose predictions each replica keeps, 2 KB each."""
    upstreams: dict[str, UpstreamSettings] = Field(default_factory=dict)
    """Where each model is called; one without an upstream is decided for, and never called."""
    reasoning: ReasoningSettings = ReasoningSettings()
    """When the reasoner is asked, where there is one."""
    retries: RetrySettings = RetrySettings()
    decisions: LogSettings = LogSettings()

    def pool_of(self, bank: tuple[ModelSpec, ...]) -> tuple[ModelSpec, ...]:
        """Return the models to choose among, at their prices.

        Raises
        ------
        ConfigError
            If a model is not in the bank or named twice, or the default is not in the pool.
        """
        known = {model.id: model for model in bank}
        _check_names("models", [model.id for model in self.models], tuple(known))
        known |= {model.id: model for model in self.models}
        ids = tuple(known) if self.pool is None else self.pool
        _check_names("pool", ids, tuple(known))
        if not ids:
            raise ConfigError("pool names no model; list at least one, or leave it out")
        _check_names("upstreams", list(self.upstreams), tuple(known))
        if self.default_model is not None and self.default_model not in ids:
            raise ConfigError(
                f"default_model {self.default_model!r} is not in the pool of {', '.join(ids)}"
            )
        return tuple(known[model] for model in ids)


def _check_names(field: str, names: Sequence[str], known: tuple[str, ...]) -> None:
    """Refuse repeated names and strangers."""
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{field} names a model twice: {', '.join(repeated)}")
    if strangers := [name for name in names if name not in known]:
        raise ConfigError(
            f"{field}: {join_names(strangers)} not in the bank, which has {join_names(known)}"
        )
