"""Which models may and can answer a request; applied before any policy."""

from collections.abc import Callable, Container, Iterator, Sequence
from fnmatch import fnmatchcase

from deployments.protocol import NoEligibleModelError, RequestError
from deployments.requests.requirements import EFFORT_FIELDS, Requirements
from deployments.settings import RequestOptions
from scope.arms import Arm
from scope.errors import join_names
from scope.model_catalogue import ModelLimits
from scope.pool import ModelSpec

SAMPLED_ON_DEMAND = ("tools", "logprobs", "temperature 0")
"""Reasons that a client overrules by naming an arm as its ``model``."""


def check_pinned(arm: str, needs: Requirements) -> None:
    """Check that an arm that the client names can answer its request.

    Raises
    ------
    RequestError
        If the request sets what the arm sets.
    """
    parsed, reason = Arm.parse(arm), needs.single_sample
    if parsed.n_samples > 1 and reason is not None and reason not in SAMPLED_ON_DEMAND:
        one = str(parsed.one_sample)
        raise RequestError(
            f"{reason}: {arm} draws {parsed.n_samples} samples and returns the best one; "
            f"leave {reason} out, or name {one}",
            reason,
        )
    if parsed.effort is not None and needs.own_effort:
        raise RequestError(
            f"reasoning_effort: {arm} sets it to {parsed.effort}; leave it out, or name "
            f"{parsed.model}",
            "reasoning_effort",
        )


TOOLS = ("function_calling",)
FORMATS = {
    "json_schema": ("response_schema",),
    "json_object": ("response_schema", "json_mode"),
}
"""Format -> capabilities, as LiteLLM's catalogue names them, of which one suffices."""


def unknown_limits(_: str) -> ModelLimits:
    """Return that nothing is believed of a model."""
    return ModelLimits()


def eligible_models(
    models: Sequence[ModelSpec],
    needs: Requirements,
    options: RequestOptions,
    predicted: Container[str] | None = None,
    limits: Callable[[str], ModelLimits] = unknown_limits,
) -> tuple[str, ...]:
    """Return the ids of the models that pass every rule, in pool order.

    Rules, in this order: predictions, deny list, allow list, several samples, reasoning effort,
    the stated context window, and capabilities that a model is stated to lack. What is unknown
    passes. Models that are only believed to be unable are left out while another one is left.

    Parameters
    ----------
    models : sequence of ModelSpec
        The pool.
    needs : Requirements
    options : RequestOptions
    predicted : container of str, optional
        The models that the strategy of the request predicts; None: all.
    limits : callable, optional
        What is believed of a model that its spec does not say.

    Raises
    ------
    RequestError
        If a list names a model that is not in the pool.
    NoEligibleModelError
        If no model passes; the message says which rule removed which models.
    """
    ids = [model.id for model in models]
    for name in ("allowed_models", "denied_models"):
        _check_known(name, getattr(options, name), ids)
    removed: dict[str, list[str]] = {}
    eligible = []
    for model in models:
        is_predicted = predicted is None or model.id in predicted
        rule = _failed_rule(model, needs, options) if is_predicted else "no prediction"
        if rule is None:
            eligible.append(model)
        else:
            removed.setdefault(rule, []).append(model.id)
    if not eligible:
        why = "; ".join(f"{rule} removed {join_names(names)}" for rule, names in removed.items())
        raise NoEligibleModelError(f"no model is left to choose from: {why}", None, "no_model_left")
    able = [model.id for model in eligible if not _is_doubtful(model, needs, limits(model.id))]
    return tuple(able or [model.id for model in eligible])


def _failed_rule(model: ModelSpec, needs: Requirements, options: RequestOptions) -> str | None:
    """Return the first rule that a model fails; None if it passes all."""
    if _matches_any(model.id, options.denied_models):
        return "denied_models"
    if options.allowed_models and not _matches_any(model.id, options.allowed_models):
        return "allowed_models"
    arm = Arm.parse(model.id)
    if arm.n_samples > 1 and needs.single_sample is not None:
        return f"{needs.single_sample} (which allows one sample only)"
    if arm.effort is not None and needs.own_effort:
        return "reasoning_effort (which the request sets itself)"
    if model.context_window is not None and needs.tokens() > model.context_window:
        return f"the context window (about {needs.tokens()} tokens are needed, estimated high)"
    for rule, capabilities in _required_capabilities(needs):
        if set(capabilities) <= set(model.lacks):
            return f"{rule} (stated to lack {' and '.join(capabilities)})"
    return None


def _is_doubtful(model: ModelSpec, needs: Requirements, limits: ModelLimits) -> bool:
    """Return whether a model is believed to be unable, though nothing states it."""
    if limits.window_tokens is not None and needs.tokens() > limits.window_tokens:
        return True
    effort = () if Arm.parse(model.id).effort is None else EFFORT_FIELDS[:1]
    if limits.lacks & needs.fields.union(effort):
        return True
    listed = set(model.capabilities) or limits.capabilities
    return any(
        set(capabilities) <= limits.lacks or (listed and listed.isdisjoint(capabilities))
        for _, capabilities in _required_capabilities(needs)
    )


def _required_capabilities(needs: Requirements) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each requirement with the capabilities of which one suffices."""
    for capability in sorted(needs.attachments):
        yield f"attachments that need {capability}", (capability,)
    if needs.tools:
        yield "tools", TOOLS
    if needs.answer_format is not None:
        yield f"response_format {needs.answer_format}", FORMATS[needs.answer_format]


def _matches_any(model: str, patterns: Sequence[str]) -> bool:
    return any(_matches(model, pattern) for pattern in patterns)


def _matches(model: str, pattern: str) -> bool:
    # Only the star is a wildcard: model names may contain fnmatch's other characters.
    return fnmatchcase(model, pattern.replace("[", "[[]").replace("?", "[?]"))


def _check_known(name: str, listed_models: Sequence[str], ids: list[str]) -> None:
    """Reject unknown names; a pattern may match nothing."""
    unknown = [model for model in listed_models if "*" not in model and model not in ids]
    if unknown:
        field = f"scope.{name}"
        raise RequestError(
            f"{field}: {join_names(unknown)} not in the pool, which has {join_names(ids)}", field
        )
