"""Settings that may change while the router serves: ``user_config`` in serve_config.yaml."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from deployments.settings.preferences import PREHOC, Metadata, ObjectiveFields, Strategy
from deployments.telemetry import LogSettings
from deployments.tracing import TracingSettings
from deployments.upstream import RetrySettings, SamplingSettings, UpstreamSettings, upstream_name
from scope.arms import arm_spec
from scope.config import StrictModel, Usd
from scope.errors import ConfigError, join_names
from scope.pool import ModelSpec
from scope.questions import MAX_PROMPT_CHARS

DEFAULT_ALPHA = 0.6


class DefaultObjective(ObjectiveFields):
    """Objective of requests that name none: exactly one field, and whether to route at all."""

    auto: bool = False
    """Where routing is not shown to pay on the bank, every prompt gets the mean estimates of the
    models, also for requests with an objective of their own."""

    @model_validator(mode="before")
    @classmethod
    def _auto_alone(cls, value: object) -> object:
        """Read ``policy: auto`` as the default alpha, and `auto`."""
        return {"alpha": DEFAULT_ALPHA, "auto": True} if value == "auto" else value

    @model_validator(mode="after")
    def _exactly_one_objective(self) -> Self:
        if len(self.objective_settings) != 1:
            given = " and ".join(self.objective_settings) or "none"
            raise ValueError(f"give one of {', '.join(ObjectiveFields.model_fields)}; got {given}")
        return self


class Limits(StrictModel):
    """Limits of requests."""

    max_body_bytes: int = Field(default=4 * 2**20, ge=1)
    """Maximum size of a body, images included."""
    max_prompt_chars: int = Field(default=MAX_PROMPT_CHARS, ge=1)
    """Length at which the text of one turn is cut before a decision is made on it."""
    max_prompts: int = Field(default=512, ge=1)
    """Maximum number of prompts in one call of ``/v1/route``."""
    max_choices: int = Field(default=8, ge=1)
    """Maximum of ``n``: each choice is billed."""
    max_completion_tokens: int = Field(default=131_072, ge=1)
    """Maximum of ``max_tokens`` and ``max_completion_tokens``; agents ask for 64,000 by habit."""
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Default rate of an API key, in each replica; None: no limit."""
    max_in_flight: int = Field(default=512, ge=1)
    """Concurrent requests in each replica; further ones get a 503."""
    deadline_ms: int = Field(default=600_000, ge=1)
    """Time limit of an answer: the default and the maximum; clients wait this long by default."""
    decision_ms: int = Field(default=2_000, ge=1)
    """How long one prompt waits for embedder and predictor, at most half of its deadline."""
    list_decision_ms: int = Field(default=30_000, ge=1)
    """How long a list of prompts waits for them, at most half of its deadline."""


class SessionSettings(StrictModel):
    """How long a session is stored, and what a switch of models must gain."""

    ttl_s: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """Sessions without requests for this long are removed."""
    max_sessions: int = Field(default=100_000, ge=1)
    """Maximum number of sessions in each replica; the longest idle one is removed."""
    margin: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    """Net gain, in correct answers per turn, that a switch of models must exceed."""
    cache_discount: float = Field(default=0.9, ge=0, le=1)
    """Share of the prompt price that an upstream does not charge for cached tokens, of models whose
    price of cached tokens is unknown."""


class ApiKey(StrictModel):
    """An API key, stored as a digest."""

    name: str = Field(min_length=1)
    """Name in logs and metrics."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    """``printf %s KEY | sha256sum``."""
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    metadata: Metadata = Field(default_factory=dict)
    """What is known of every question of this key that its request does not say."""


ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/?#@\s*]+")


class Access(StrictModel):
    """Callers that are admitted."""

    anonymous: bool = False
    """Serve every caller, without a key."""
    keys: tuple[ApiKey, ...] = ()
    key_file: str | None = None
    """Lines of digest and name, as sha256sum prints them; ``#`` starts a comment."""
    origins: tuple[str, ...] = ()
    """Web pages whose scripts may call, as ``https://app.example``; ``*`` stands for all."""

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"expected '*', or scheme, host and port such as https://app.example:8443, "
                    f"got {origin!r:.80}"
                )
        return origins

    @model_validator(mode="after")
    def _keys_or_anonymous(self) -> Self:
        keyed = bool(self.keys) or self.key_file is not None
        if keyed and self.anonymous:
            raise ValueError("anonymous serves every caller, which excludes keys; give one of them")
        if not keyed and not self.anonymous:
            raise ValueError(
                "no API key; give keys or key_file, or anonymous: true to serve every caller"
            )
        return self


class SpendSettings(StrictModel):
    """What the operator means to spend: reported and alerted, never enforced."""

    budget_usd_per_day: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Real cost of all replicas together from midnight to midnight UTC, USD; None: no budget.

    No request is refused for it: limits of a key are its rate and the upstreams' own.
    """


class ReasoningSettings(StrictModel):
    """When the reasoner is queried, and for how long."""

    mode: Literal["off", "exact", "expected"] = "off"
    """``exact``: while an answer can change the decision; ``expected``: while it is worth it."""
    deadline_ms: int = Field(default=1_000, ge=1)
    """Time limit of the queries for one prompt, at most half of the request's deadline."""
    max_concurrency: int = Field(default=8, ge=1)
    """Maximum number of concurrent queries of one request."""
    usd_per_mtok: Usd = 0.0
    """Cost of a million tokens of the engine; ``expected`` uses it as the cost of queries."""

    def check(self, *, engine: bool) -> None:
        """Refuse to query without an engine.

        Raises
        ------
        ConfigError
            If there is no engine.
        """
        if self.mode != "off" and not engine:
            raise ConfigError(
                f"reasoning.mode is {self.mode!r}, and there is no engine to query; "
                "give args a reasoner, or set it to 'off'"
            )


class RouterSettings(StrictModel):
    """Root of the Router's ``user_config``."""

    access: Access
    """Has no default: a forgotten line must not open the endpoint."""
    policy: DefaultObjective = DefaultObjective(alpha=DEFAULT_ALPHA)
    strategy: Strategy = PREHOC
    """Who predicts for requests that do not say; a learned router needs ``args: routers``."""
    pool: tuple[str, ...] | None = None
    """Arms to choose from, in this order; None means all models of the bank."""
    models: tuple[ModelSpec, ...] = ()
    """Current prices, windows and capabilities of models; they replace the bank's."""
    default_model: str | None = None
    """Used when no replica predicts."""
    limits: Limits = Limits()
    sessions: SessionSettings = SessionSettings()
    max_cached_predictions: int = Field(default=10_000, ge=0)
    """Prompts whose predictions each replica caches, 2 KB each."""
    upstreams: dict[str, UpstreamSettings] = Field(default_factory=dict)
    """Where each model is called; ``/v1/route`` also chooses models without an upstream."""
    reasoning: ReasoningSettings = ReasoningSettings()
    """When the reasoner is queried, if there is one."""
    sampling: SamplingSettings = SamplingSettings()
    """How long an arm with several samples waits for stragglers and for the Selector."""
    retries: RetrySettings = RetrySettings()
    decisions: LogSettings = LogSettings()
    spend: SpendSettings = SpendSettings()
    tracing: TracingSettings | None = None
    """Where traces go; None: nowhere."""

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that differ where settings differ; keys do not enter it."""
        values = self.model_dump(mode="json")
        for key in values["access"]["keys"]:
            del key["sha256"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]

    def pool_of(
        self, bank: tuple[ModelSpec, ...], learned: tuple[ModelSpec, ...] = ()
    ) -> tuple[ModelSpec, ...]:
        """Return the arms to choose from, at current prices.

        Parameters
        ----------
        bank : tuple of ModelSpec
            The models of the bank.
        learned : tuple of ModelSpec, optional
            The arms of learned routers; the bank's price of an arm takes precedence.

        Raises
        ------
        ConfigError
            If an arm is unknown or named twice, or the default is not in the pool.
        """
        ids = tuple(model.id for model in bank) if self.pool is None else self.pool
        routed = {model.id: model for model in learned}
        known = {model.id: model for model in bank}
        specs = {name: arm_spec(name, known) or arm_spec(name, routed) for name in ids}
        names = tuple(dict.fromkeys((*known, *routed, *(name for name in ids if specs[name]))))
        _check_names("models", [model.id for model in self.models], names)
        _check_names("pool", ids, names)
        if not ids:
            raise ConfigError("pool names no model; list at least one, or leave it out")
        used = (name for arm in names if (name := upstream_name(arm, self.upstreams)))
        _check_names("upstreams", list(self.upstreams), tuple(dict.fromkeys((*names, *used))))
        known |= {model.id: _with_samples(model, known.get(model.id)) for model in self.models}
        if self.default_model is not None and self.default_model not in ids:
            raise ConfigError(
                f"default_model {self.default_model!r} is not in the pool of {', '.join(ids)}"
            )
        priced = (arm_spec(name, known) or arm_spec(name, routed) for name in ids)
        return tuple(spec for spec in priced if spec is not None)

    def check_strategy(self, learned: Mapping[str, Collection[str]], bank: Collection[str]) -> None:
        """Check that the default strategy is configured, and that every arm has a prediction.

        Parameters
        ----------
        learned : mapping of str to collection of str
            The arms of each learned router, by strategy.
        bank : collection of str
            The arms of the pool that the bank predicts.

        Raises
        ------
        ConfigError
            If one has not.
        """
        if self.strategy != PREHOC and self.strategy not in learned:
            known = ", ".join((PREHOC, *learned))
            raise ConfigError(
                f"strategy is {self.strategy!r}, and no such router is configured; "
                f"expected {known}, or add it to args.routers"
            )
        predicted = {*bank, *(arm for arms in learned.values() for arm in arms)}
        if unknown := [arm for arm in self.pool or () if arm not in predicted]:
            raise ConfigError(
                f"pool: nothing predicts {join_names(unknown)}: the bank has no outcomes of it "
                "and was not fitted to samples of it (`scope bank fit-samples`), and no learned "
                "router has it among its arms"
            )


def _with_samples(model: ModelSpec, before: ModelSpec | None) -> ModelSpec:
    """Return a model with what the bank knows of its samples, where its settings do not say."""
    known = before and before.resampling
    return model.model_copy(update={"resampling": model.resampling or known})


def _check_names(field: str, names: Sequence[str], known: tuple[str, ...]) -> None:
    """Refuse repeated and unknown names."""
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{field} names a model twice: {', '.join(repeated)}")
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(
            f"{field}: {join_names(unknown)} not in the bank, which has {join_names(known)}"
        )
