"""The list of models that ``auto`` chooses from, with their prices."""

from collections.abc import Callable, Sequence
from typing import Any

from deployments.protocol import ModelNotFoundError, short_repr
from deployments.requests import AUTO_NAMES
from deployments.settings import ActiveSettings
from scope.errors import join_names
from scope.model_catalogue import ModelLimits
from scope.pool import ModelSpec

Believed = Callable[[str], ModelLimits]
"""Maps an arm to what is believed of it."""


def model_list(models: Sequence[ModelSpec], created: int, limits: Believed) -> dict[str, Any]:
    """Return the body of ``/v1/models``; unknown values are null.

    Parameters
    ----------
    models : sequence of ModelSpec
        The pool at its current prices.
    created : int
        When the replica started, seconds since 1970.
    limits : callable
        Says what the pool does not state: the catalogue, corrected by refusals.
    """
    auto = _auto_entry(AUTO_NAMES[0], models, created, limits)
    entries = [_model_entry(model, created, limits(model.id)) for model in models]
    return {"object": "list", "data": [auto, *entries]}


def model_entry(
    name: str, current: ActiveSettings, created: int, limits: Believed
) -> dict[str, Any]:
    """Return the body of ``/v1/models/NAME``.

    Raises
    ------
    ModelNotFoundError
        If the pool has no such model or arm.
    """
    if name in AUTO_NAMES:
        return _auto_entry(name, current.models, created, limits)
    arm = current.arm(name)
    if arm is None:
        raise ModelNotFoundError(
            f"model: {short_repr(name)} is not in the pool; expected {AUTO_NAMES[0]} or one of "
            f"{join_names(model.id for model in current.models)}",
            "model",
            "model_not_found",
        )
    return _model_entry(arm, created, limits(name))


def _auto_entry(
    name: str, models: Sequence[ModelSpec], created: int, limits: Believed
) -> dict[str, Any]:
    windows = [model.context_window or limits(model.id).window_tokens for model in models]
    largest = max((window for window in windows if window is not None), default=None)
    return _entry(name, created) | {"context_length": largest}


def _entry(model: str, created: int) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": created, "owned_by": "scope-router"}


def _model_entry(model: ModelSpec, created: int, believed: ModelLimits) -> dict[str, Any]:
    """Return an entry; ``not_stated`` names what the pool does not say and is believed instead."""
    stated = {"context_length": model.context_window, "capabilities": list(model.capabilities)}
    known = {
        "context_length": believed.window_tokens,
        "capabilities": sorted(believed.capabilities),
    }
    missing = [name for name in stated if not stated[name] and known[name]]
    return (
        _entry(model.id, created)
        | stated
        | {name: known[name] for name in missing}
        | {"not_stated": missing, "pricing": _pricing(model)}
    )


def _pricing(model: ModelSpec) -> dict[str, Any]:
    """Return the prices that are known, by the names of `ModelSpec`."""
    fields = model.model_dump(mode="json", exclude_none=True)
    return {
        name: value
        for name, value in fields.items()
        if name.startswith("usd_per_mtok_") or (name == "tiers" and value)
    }
