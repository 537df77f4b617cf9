"""What a request asks of its decision, in our words or in OpenRouter's."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from deployments.protocol import RequestError
from scope.config import Usd

MAX_COST_QUALITY_TRADEOFF = 10
"""OpenRouter's dial ends here: 0 is quality alone, 10 the cheapest."""

MAX_NAMES = 256
"""Most models or patterns in a list: each is held against every model of the pool."""

AUTO_ROUTER = "auto-router"

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


def _empty_if_null(value: object) -> object:
    return () if value is None else value


# JSON has lists only: a strict tuple would refuse them.
Names = Annotated[
    tuple[Name, ...], Field(strict=False, max_length=MAX_NAMES), BeforeValidator(_empty_if_null)
]


class ObjectiveFields(BaseModel):
    """What a decision may aim for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    alpha: Fraction | None = None
    """Dial: 0 = cheapest, 1 = most accurate."""
    min_quality: Fraction | None = None
    """Probability of a right answer that is asked for."""
    max_cost_usd: Usd | None = None
    """Most that the answer may be predicted to cost."""

    def objective(self) -> dict[str, float]:
        """Return what is aimed for by name; empty if nothing is."""
        aims = {name: getattr(self, name) for name in ObjectiveFields.model_fields}
        return {name: value for name, value in aims.items() if value is not None}


class RequestOptions(ObjectiveFields):
    """Field ``scope`` of a request; at most one aim, null means absent."""

    allowed_models: Names = ()
    """Only these; ``*`` stands for any characters."""
    denied_models: Names = ()
    """None of these."""
    deadline_ms: Annotated[int, Field(ge=1)] | None = None
    """What the request may take."""
    session_id: Name | None = None
    """Requests of one session stay on one model."""

    @model_validator(mode="after")
    def _one_aim(self) -> "RequestOptions":
        if len(self.objective()) > 1:
            raise ValueError(
                f"{' and '.join(self.objective())} exclude each other; give one of them"
            )
        return self


def _nothing_if_null(value: object) -> object:
    return {} if value is None else value


ScopeField = Annotated[RequestOptions, BeforeValidator(_nothing_if_null)]
"""The field ``scope`` of a body."""


class AutoRouterPlugin(BaseModel):
    """OpenRouter's plugin; what else it holds is theirs."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Literal["auto-router"]
    enabled: bool | None = None
    allowed_models: Names = ()
    cost_quality_tradeoff: Annotated[float, Field(ge=0, le=MAX_COST_QUALITY_TRADEOFF)] | None = None

    def merged_into(self, wish: RequestOptions) -> RequestOptions:
        """Return the wish with what the plugin asks for.

        Raises
        ------
        RequestError
            If both ask for an aim or both list what is allowed.
        """
        if self.enabled is False:
            return wish
        extra: dict[str, Any] = {}
        if self.cost_quality_tradeoff is not None:
            _check_conflict(wish.objective(), "cost_quality_tradeoff")
            extra["alpha"] = 1 - self.cost_quality_tradeoff / MAX_COST_QUALITY_TRADEOFF
        if self.allowed_models:
            _check_conflict(("allowed_models",) if wish.allowed_models else (), "allowed_models")
            extra["allowed_models"] = self.allowed_models
        return wish.model_copy(update=extra)


def _check_conflict(ours: Iterable[str], theirs: str) -> None:
    for name in ours:
        raise RequestError(
            f"scope.{name} and {theirs} of plugin {AUTO_ROUTER} exclude each other; give one",
            "plugins",
        )
