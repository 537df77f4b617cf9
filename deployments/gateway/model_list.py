"""The list of models that ``auto`` chooses from, with their prices."""

from collections.abc import Sequence
from typing import Any

from deployments.protocol import ModelNotFoundError, short_repr
from deployments.requests import AUTO_NAMES
from deployments.settings import ActiveSettings
from scope.errors import join_names
from scope.pool import ModelSpec


def model_list(models: Sequence[ModelSpec], created: int) -> dict[str, Any]:
    """Return the body of ``/v1/models``; unknown values are null.

    Parameters
    ----------
    models : sequence of ModelSpec
        The pool at its current prices.
    created : int
        When the replica started, seconds since 1970.
    """
    auto = _auto_entry(AUTO_NAMES[0], models, created)
    return {"object": "list", "data": [auto, *(_model_entry(model, created) for model in models)]}


def model_entry(name: str, current: ActiveSettings, created: int) -> dict[str, Any]:
    """Return the body of ``/v1/models/NAME``.

    Raises
    ------
    ModelNotFoundError
        If the pool has no such model or arm.
    """
    if name in AUTO_NAMES:
        return _auto_entry(name, current.models, created)
    arm = current.arm(name)
    if arm is None:
        raise ModelNotFoundError(
            f"model: {short_repr(name)} is not in the pool; expected {AUTO_NAMES[0]} or one of "
            f"{join_names(model.id for model in current.models)}",
            "model",
            "model_not_found",
        )
    return _model_entry(arm, created)


def _auto_entry(name: str, models: Sequence[ModelSpec], created: int) -> dict[str, Any]:
    windows = [model.context_window for model in models if model.context_window is not None]
    return _entry(name, created) | {"context_length": max(windows, default=None)}


def _entry(model: str, created: int) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": created, "owned_by": "scope-router"}


def _model_entry(model: ModelSpec, created: int) -> dict[str, Any]:
    return _entry(model.id, created) | {
        "context_length": model.context_window,
        "capabilities": list(model.capabilities),
        "pricing": {
            "usd_per_mtok_in": model.usd_per_mtok_in,
            "usd_per_mtok_out": model.usd_per_mtok_out,
        },
    }
