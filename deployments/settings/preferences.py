"""Options of a request: our field ``scope``, and OpenRouter's plugin ``auto-router``."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from deployments.protocol import RequestError
from scope.config import Usd

MAX_COST_QUALITY_TRADEOFF = 10
"""Upper end of OpenRouter's ``cost_quality_tradeoff``: 0 is quality only, 10 the cheapest."""

MAX_NAMES = 256
"""Longest list of models or patterns: each entry is matched against every model of the pool."""

AUTO_ROUTER = "auto-router"

PREHOC: Literal["prehoc"] = "prehoc"
"""The strategy that needs no learned router: the forecast from the anchors of a bank."""

Strategy = Literal["prehoc", "hybridllm", "bestroute"]
"""Who predicts for a decision."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


def _empty_if_null(value: object) -> object:
    return () if value is None else value


# JSON has only lists, which a strict tuple refuses.
Names = Annotated[
    tuple[Name, ...], Field(strict=False, max_length=MAX_NAMES), BeforeValidator(_empty_if_null)
]


MAX_FACTS = 16
"""Most entries of ``metadata``, as of OpenAI's; also its longest name and value."""

Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=64)],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=MAX_FACTS),
    BeforeValidator(lambda value: {} if value is None else value),
]
"""What the caller knows of a question, by name, as ``{"category": "law"}``."""


class ObjectiveFields(BaseModel):
    """The fields of an `Objective` that a request or an operator may set."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    alpha: Fraction | None = None
    """0 = cheapest, 1 = most accurate."""
    min_quality: Fraction | None = None
    """Required probability of a correct answer."""
    max_cost_usd: Usd | None = None
    """Highest predicted cost of the answer, USD."""

    @property
    def objective_settings(self) -> dict[str, Any]:
        """The given fields by name."""
        values = {name: getattr(self, name) for name in ObjectiveFields.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class RequestOptions(ObjectiveFields):
    """Field ``scope`` of a request; at most one objective; null means absent."""

    strategy: Strategy | None = None
    """Who predicts; None: as the operator has set it."""
    allowed_models: Names = ()
    """If given, only these models; ``*`` matches any characters."""
    denied_models: Names = ()
    """Never these models."""
    deadline_ms: Annotated[int, Field(ge=1)] | None = None
    """Time limit of the request."""
    session_id: Name | None = None
    """Requests of one session stay on one model."""
    metadata: Metadata = Field(default_factory=dict)
    """What is known of the question; the fact that the bank has learned replaces a guess. It says
    what is asked, and nothing about what the caller may do."""

    @model_validator(mode="after")
    def _at_most_one_objective(self) -> "RequestOptions":
        if len(given := self.objective_settings) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; give one of them")
        return self


def _nothing_if_null(value: object) -> object:
    return {} if value is None else value


ScopeField = Annotated[RequestOptions, BeforeValidator(_nothing_if_null)]
"""The field ``scope`` of a request body."""


class AutoRouterPlugin(BaseModel):
    """OpenRouter's plugin; its other fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Literal["auto-router"]
    enabled: bool | None = None
    allowed_models: Names = ()
    cost_quality_tradeoff: Annotated[float, Field(ge=0, le=MAX_COST_QUALITY_TRADEOFF)] | None = None

    def merged_into(self, options: RequestOptions) -> RequestOptions:
        """Return the options with those of the plugin.

        Raises
        ------
        RequestError
            If both set an objective or both list allowed models.
        """
        if self.enabled is False:
            return options
        extra: dict[str, Any] = {}
        if self.cost_quality_tradeoff is not None:
            _check_conflict(options.objective_settings, "cost_quality_tradeoff")
            extra["alpha"] = 1 - self.cost_quality_tradeoff / MAX_COST_QUALITY_TRADEOFF
        if self.allowed_models:
            _check_conflict(("allowed_models",) if options.allowed_models else (), "allowed_models")
            extra["allowed_models"] = self.allowed_models
        return options.model_copy(update=extra)


def _check_conflict(ours: Iterable[str], theirs: str) -> None:
    for name in ours:
        raise RequestError(
            f"scope.{name} and {theirs} of plugin {AUTO_ROUTER} exclude each other; give one",
            "plugins",
        )
