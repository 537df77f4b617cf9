"""Which models may and can answer a request; decided before any policy looks at them."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from deployments.needs import Requirements
from deployments.refusals import NoEligibleModelError, RequestError
from deployments.wishes import RequestOptions
from scope.errors import join_names
from scope.pool import ModelSpec

IMAGES = ("vision",)
TOOLS = ("function_calling",)
FORMATS = {
    "json_schema": ("response_schema",),
    "json_object": ("response_schema", "json_mode"),
}
"""Capabilities, in the words of LiteLLM's catalogue, of which one suffices."""


def eligible_models(
    models: Sequence[ModelSpec], needs: Requirements, wish: RequestOptions
) -> tuple[str, ...]:
    """Return the models that pass every rule, in pool order.

    Rules, in this order: deny list, allow list, context window, images, tools, format of the
    answer. A window that nobody stated is taken to suffice; a capability that nobody stated
    is taken to be absent.

    Parameters
    ----------
    models : sequence of ModelSpec
        The pool.
    needs : Requirements
    wish : RequestOptions

    Raises
    ------
    RequestError
        If a list names a model that is not in the pool.
    NoEligibleModelError
        If none passes; it says which rule removed which model.
    """
    ids = [model.id for model in models]
    for name in ("allowed_models", "denied_models"):
        _check_known(name, getattr(wish, name), ids)
    removed: dict[str, list[str]] = {}
    left = []
    for model in models:
        rule = _failed_rule(model, needs, wish)
        if rule is None:
            left.append(model.id)
        else:
            removed.setdefault(rule, []).append(model.id)
    if not left:
        told = "; ".join(f"{rule} removed {join_names(names)}" for rule, names in removed.items())
        raise NoEligibleModelError(
            f"no model is left to choose from: {told}", None, "no_model_left"
        )
    return tuple(left)


def _failed_rule(model: ModelSpec, needs: Requirements, wish: RequestOptions) -> str | None:
    """Return the first rule that a model fails."""
    if _matches_any(model.id, wish.denied_models):
        return "denied_models"
    if wish.allowed_models and not _matches_any(model.id, wish.allowed_models):
        return "allowed_models"
    if model.context_window is not None and needs.tokens() > model.context_window:
        return f"the context window (about {needs.tokens()} tokens are needed, estimated high)"
    for rule, capabilities in _required_capabilities(needs):
        if not set(capabilities) & set(model.capabilities):
            return f"{rule} (needs the capability {' or '.join(capabilities)})"
    return None


def _required_capabilities(needs: Requirements) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is needed, with the capabilities that would do."""
    if needs.images:
        yield "images", IMAGES
    if needs.tools:
        yield "tools", TOOLS
    if needs.answer_format is not None:
        yield f"response_format {needs.answer_format}", FORMATS[needs.answer_format]


def _matches_any(model: str, patterns: Sequence[str]) -> bool:
    return any(_matches(model, pattern) for pattern in patterns)


def _matches(model: str, pattern: str) -> bool:
    # Of fnmatch's signs only the star: model names may hold the others.
    return fnmatchcase(model, pattern.replace("[", "[[]").replace("?", "[?]"))


def _check_known(name: str, listed_models: Sequence[str], ids: list[str]) -> None:
    """Refuse names that are no model's; a pattern may match none."""
    strangers = [model for model in listed_models if "*" not in model and model not in ids]
    if strangers:
        field = f"scope.{name}"
        raise RequestError(
            f"{field}: {join_names(strangers)} not in the pool, which has {join_names(ids)}", field
        )
