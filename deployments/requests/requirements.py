"""Which models may and can answer a request; applied before any policy."""

import math
import string
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic_core import to_json

from deployments.protocol import NoEligibleModelError, RequestError
from deployments.requests.chat import ChatRequest
from deployments.settings import RequestOptions
from scope.arms import Arm
from scope.errors import join_names
from scope.pool import ModelSpec

BYTES_PER_TOKEN = 3
"""Bytes of a word per token; with most tokenizers 4.2 in English, 3.5 in code, 3 in Chinese."""
MESSAGE_TOKENS = 8
"""Tokens that a chat template adds to a message."""
IMAGE_TOKENS = 1_600
"""Tokens of the largest image with most providers."""

IMAGE_PARTS = ("image_url", "input_image", "image")
_WORDS = (string.ascii_letters + string.whitespace).encode() + bytes(range(0x80, 0x100))


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a model must support to answer a request.

    Attributes
    ----------
    prompt_tokens : int
        Estimated on the high side.
    completion_tokens : int
        Largest number that the client allows; 0 if the request has none.
    images, tools : bool
        Whether the request has any.
    answer_format : str or None
        ``json_object`` or ``json_schema``.
    single_sample : str or None
        What in the request rules out the best of several samples.
    own_effort : bool
        Whether the request sets its reasoning effort.
    """

    prompt_tokens: int
    completion_tokens: int = 0
    images: bool = False
    tools: bool = False
    answer_format: str | None = None
    single_sample: str | None = None
    own_effort: bool = False

    @classmethod
    def from_chat(cls, chat: ChatRequest) -> "Requirements":
        """Return the requirements of a chat."""
        images = sum(_is_image(part) for message in chat.messages for part in message.parts())
        answer_format = (chat.response_format or {}).get("type")
        return cls(
            prompt_tokens=estimated_tokens(b"".join(_token_sources(chat)))
            + MESSAGE_TOKENS * len(chat.messages)
            + IMAGE_TOKENS * images,
            completion_tokens=chat.completion_tokens() or 0,
            images=images > 0,
            tools=bool(chat.tools),
            answer_format=answer_format
            if answer_format in ("json_object", "json_schema")
            else None,
            single_sample=next(_single_sample_reasons(chat), None),
            own_effort=any(chat.extra(name) is not None for name in EFFORT_FIELDS),
        )

    def tokens(self) -> int:
        """Return the size of the context window that is needed."""
        return self.prompt_tokens + self.completion_tokens


EFFORT_FIELDS = ("reasoning_effort", "reasoning")
"""Fields of OpenAI's and of OpenRouter's API that set the reasoning effort."""


def _single_sample_reasons(chat: ChatRequest) -> Iterator[str]:
    """Yield each reason why the request cannot get the best of several samples."""
    if chat.stream:
        yield "stream"
    if (chat.n or 1) > 1:
        yield "n"
    if chat.tools or chat.extra("functions"):
        yield "tools"
    if chat.extra("logprobs") or chat.extra("top_logprobs"):
        yield "logprobs"
    if chat.extra("temperature") == 0:
        yield "temperature 0"


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


def estimated_tokens(text: bytes) -> int:
    """Return an upper estimate of the number of tokens of a UTF-8 text.

    ``letters, spaces and other scripts / 3 + digits and punctuation``: every digit or mark may
    be a token of its own; a word rarely has more than one token per 3 bytes.

    Examples
    --------
    >>> estimated_tokens(b"What is the capital of France?"), estimated_tokens(b"2+2=4")
    (11, 5)
    """
    dense = len(text.translate(None, _WORDS))
    return math.ceil((len(text) - dense) / BYTES_PER_TOKEN) + dense


def _token_sources(chat: ChatRequest) -> Iterator[bytes]:
    """Yield everything that becomes tokens: texts, tool calls, tool descriptions, schemas."""
    for message in chat.messages:
        for part in message.parts():
            if part["type"] == "text":
                yield part["text"].encode()
            elif not _is_image(part):
                yield to_json(part)
        if message.model_extra:
            yield to_json(message.model_extra)
    for schema in (chat.tools, chat.response_format):
        if schema:
            yield to_json(schema)


def _is_image(part: dict[str, Any]) -> bool:
    return part["type"] in IMAGE_PARTS


VISION = ("vision",)
TOOLS = ("function_calling",)
FORMATS = {
    "json_schema": ("response_schema",),
    "json_object": ("response_schema", "json_mode"),
}
"""Format -> capabilities, as LiteLLM's catalogue names them, of which one suffices."""


def eligible_models(
    models: Sequence[ModelSpec],
    needs: Requirements,
    options: RequestOptions,
    predicted: Container[str] | None = None,
) -> tuple[str, ...]:
    """Return the ids of the models that pass every rule, in pool order.

    Rules, in this order: predictions, deny list, allow list, several samples, reasoning effort,
    context window, images, tools, format of the answer. An unknown context window passes; an
    unknown capability does not.

    Parameters
    ----------
    models : sequence of ModelSpec
        The pool.
    needs : Requirements
    options : RequestOptions
    predicted : container of str, optional
        The models that the strategy of the request predicts; None: all.

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
            eligible.append(model.id)
        else:
            removed.setdefault(rule, []).append(model.id)
    if not eligible:
        why = "; ".join(f"{rule} removed {join_names(names)}" for rule, names in removed.items())
        raise NoEligibleModelError(f"no model is left to choose from: {why}", None, "no_model_left")
    return tuple(eligible)


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
        if not set(capabilities) & set(model.capabilities):
            return f"{rule} (needs the capability {' or '.join(capabilities)})"
    return None


def _required_capabilities(needs: Requirements) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each requirement with the capabilities of which one suffices."""
    if needs.images:
        yield "images", VISION
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
