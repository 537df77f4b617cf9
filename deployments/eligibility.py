"""Which models may and can answer a request; decided before any policy looks at them."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from deployments.needs import Needs
from deployments.refusals import NoModelLeftError, RefusedError
from deployments.wishes import Wish
from scope.errors import listed
from scope.pool import ModelSpec

IMAGES = ("vision",)
TOOLS = ("function_calling",)
FORMATS = {
    "json_schema": ("response_schema",),
    "json_object": ("response_schema", "json_mode"),
}
"""Capabilities, in the words of LiteLLM's catalogue, of which one suffices."""


def eligible(models: Sequence[ModelSpec], needs: Needs, wish: Wish) -> tuple[str, ...]:
    """Return the models that pass every rule, in pool order.

    Rules, in this order: deny list, allow list, context window, images, tools, format of the
    answer. A window that nobody stated is taken to suffice; a capability that nobody stated
    is taken to be absent.

    Parameters
    ----------
    models : sequence of ModelSpec
        The pool.
    needs : Needs
    wish : Wish

    Raises
    ------
    RefusedError
        If a list names a model that is not in the pool.
    NoModelLeftError
        If none passes; it says which rule removed which model.
    """
    ids = [model.id for model in models]
    for name in ("allowed_models", "denied_models"):
        _refuse_strangers(name, getattr(wish, name), ids)
    removed: dict[str, list[str]] = {}
    left = []
    for model in models:
        rule = _failed(model, needs, wish)
        if rule is None:
            left.append(model.id)
        else:
            removed.setdefault(rule, []).append(model.id)
    if not left:
        told = "; ".join(f"{rule} removed {listed(names)}" for rule, names in removed.items())
        raise NoModelLeftError(f"no model is left to choose from: {told}", None, "no_model_left")
    return tuple(left)


def _failed(model: ModelSpec, needs: Needs, wish: Wish) -> str | None:
    """Return the first rule that a model fails."""
    if _among(model.id, wish.denied_models):
        return "denied_models"
    if wish.allowed_models and not _among(model.id, wish.allowed_models):
        return "allowed_models"
    if model.context_window is not None and needs.tokens() > model.context_window:
        return f"the context window (about {needs.tokens()} tokens are needed, estimated high)"
    for rule, capabilities in _asked(needs):
        if not set(capabilities) & set(model.capabilities):
            return f"{rule} (needs the capability {' or '.join(capabilities)})"
    return None


def _asked(needs: Needs) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is needed, with the capabilities that would do."""
    if needs.images:
        yield "images", IMAGES
    if needs.tools:
        yield "tools", TOOLS
    if needs.answer_format is not None:
        yield f"response_format {needs.answer_format}", FORMATS[needs.answer_format]


def _among(model: str, patterns: Sequence[str]) -> bool:
    return any(_matches(model, pattern) for pattern in patterns)


def _matches(model: str, pattern: str) -> bool:
    # Of fnmatch's signs only the star: model names may hold the others.
    return fnmatchcase(model, pattern.replace("[", "[[]").replace("?", "[?]"))


def _refuse_strangers(name: str, listed_models: Sequence[str], ids: list[str]) -> None:
    """Refuse names that are no model's; a pattern may match none."""
    strangers = [model for model in listed_models if "*" not in model and model not in ids]
    if strangers:
        field = f"scope.{name}"
        raise RefusedError(
            f"{field}: {listed(strangers)} not in the pool, which has {listed(ids)}", field
        )
