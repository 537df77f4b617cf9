"""The list of models that ``auto`` chooses from, with their prices."""

from collections.abc import Sequence
from typing import Any

from deployments.requests import AUTO_NAMES
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
    windows = [model.context_window for model in models if model.context_window is not None]
    auto = _entry(AUTO_NAMES[0], created) | {"context_length": max(windows, default=None)}
    return {"object": "list", "data": [auto, *(_model_entry(model, created) for model in models)]}


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
