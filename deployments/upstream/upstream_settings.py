"""One model's entry in ``user_config: upstreams``."""

from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from deployments.upstream_api import APIS, ApiName
from scope.config import StrictModel
from scope.upstream import (
    ParameterRules,
    Seconds,
    address_problem,
    known_rules,
    rules_for,
    variable_problem,
)

OUR_FIELDS = ("model", "messages", "stream", "stream_options")
"""Fields that no parameter rule may change."""


class UpstreamSettings(StrictModel):
    """One model's entry in ``user_config: upstreams``."""

    api: ApiName = "chat"
    """What the upstream speaks: chat completions, or Anthropic's Messages."""
    base_url: str
    """Up to and without ``/chat/completions`` or ``/messages``."""
    key_variable: str | None = None
    """Environment variable that holds the key; None: the upstream needs none."""
    model: str | None = Field(default=None, min_length=1)
    """Name of the model at the upstream; None: the pool's name."""
    timeout_s: Seconds = 500.0
    """For a whole answer, for the beginning of one in a stream, and between two chunks of it.

    A reasoning model may think for minutes; what is left of the deadline is for another model.
    """
    max_concurrency: int = Field(default=64, ge=1)
    """Maximum number of calls in flight, per replica."""
    stream_usage: Literal["auto", "always", "never"] = "auto"
    """Whether the usage of streams is requested that do not request it: ``auto`` until the
    upstream refuses the field. Without a usage the cost of a stream is unknown."""
    breaker_failures: int = Field(default=5, ge=1)
    """Consecutive failures that open the circuit."""
    breaker_open_s: Seconds = 30.0
    """Time until an open circuit allows a trial call."""
    drop: tuple[str, ...] | None = None
    """Parameters of requests that are not sent; None: what is known of the model by its name."""
    rename: dict[str, str] | None = None
    """Parameters that are sent under another name; None: what is known of the model."""
    default: dict[str, Any] = Field(default_factory=dict)
    """Values of parameters that a request does not set."""

    @field_validator("base_url")
    @classmethod
    def _check_address(cls, base_url: str, info: ValidationInfo) -> str:
        api = APIS[info.data.get("api", "chat")]  # not there if it is wrong itself
        if problem := address_problem(base_url, api.path):
            raise ValueError(problem)
        return base_url.rstrip("/")

    @field_validator("key_variable")
    @classmethod
    def _check_variable(cls, name: str | None) -> str | None:
        if name is not None and (problem := variable_problem(name)):
            raise ValueError(problem)
        return name

    @model_validator(mode="after")
    def _check_parameters(self) -> Self:
        for rule in ("drop", "rename", "default"):
            for name in getattr(self, rule) or ():
                if name in OUR_FIELDS:
                    raise ValueError(f"{rule}: {name} is set by the router itself; leave it out")
        return self

    def rules(self, model: str, name: str) -> ParameterRules:
        """Return what happens to the parameters of requests for a model.

        It is known by its name at the upstream, else by its name in the pool.
        """
        known = name if known_rules(model) == ParameterRules() else model
        return rules_for(known, self.drop, self.rename, self.default)
