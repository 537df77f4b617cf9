"""Which models may and can answer a request; decided before any policy looks at them."""

import math
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic_core import to_json

from deployments.protocol import NoEligibleModelError, RequestError
from deployments.requests.chat import ChatBody
from deployments.settings import RequestOptions
from scope.errors import join_names
from scope.pool import ModelSpec

BYTES_PER_TOKEN = 3
"""Of words; English takes 4.2 and code 3.5, Chinese 3 with most tokenizers."""
MESSAGE_TOKENS = 8
"""What a chat template puts around a message."""
IMAGE_TOKENS = 1_600
"""What the largest image costs with most providers."""

IMAGE_PARTS = ("image_url", "input_image", "image")
_WORDS = (string.ascii_letters + string.whitespace).encode() + bytes(range(0x80, 0x100))


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a model must hold and take.

    Attributes
    ----------
    prompt_tokens : int
        Estimated, rather too many than too few.
    completion_tokens : int
        That the client wants room for; 0 if it does not say.
    images, tools : bool
    answer_format : str or None
        ``json_object`` or ``json_schema``.
    """

    prompt_tokens: int
    completion_tokens: int = 0
    images: bool = False
    tools: bool = False
    answer_format: str | None = None

    @classmethod
    def from_chat(cls, chat: ChatBody) -> "Requirements":
        """Read the needs of a chat."""
        images = sum(_is_image(part) for message in chat.messages for part in message.parts())
        wanted = (chat.response_format or {}).get("type")
        return cls(
            prompt_tokens=estimated_tokens(b"".join(_token_sources(chat)))
            + MESSAGE_TOKENS * len(chat.messages)
            + IMAGE_TOKENS * images,
            completion_tokens=chat.completion_tokens() or 0,
            images=images > 0,
            tools=bool(chat.tools),
            answer_format=wanted if wanted in ("json_object", "json_schema") else None,
        )

    def tokens(self) -> int:
        """Return what a context window must hold."""
        return self.prompt_tokens + self.completion_tokens


def estimated_tokens(text: bytes) -> int:
    """Return how many tokens a UTF-8 text will hardly exceed.

    ``letters, spaces and other scripts / 3 + digits and punctuation``: every digit or mark may
    be a token of its own, a word rarely has more than one for 3 bytes.

    Examples
    --------
    >>> estimated_tokens(b"What is the capital of France?"), estimated_tokens(b"2+2=4")
    (11, 5)
    """
    dense = len(text.translate(None, _WORDS))
    return math.ceil((len(text) - dense) / BYTES_PER_TOKEN) + dense


def _token_sources(chat: ChatBody) -> Iterator[bytes]:
    """Yield whatever becomes tokens: texts, calls of tools, their descriptions, schemas."""
    for message in chat.messages:
        for part in message.parts():
            if part["type"] == "text":
                yield part["text"].encode()
            elif not _is_image(part):
                yield to_json(part)
        if message.model_extra:
            yield to_json(message.model_extra)
    for described in (chat.tools, chat.response_format):
        if described:
            yield to_json(described)


def _is_image(part: dict[str, Any]) -> bool:
    return part["type"] in IMAGE_PARTS


VISION = ("vision",)
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
        yield "images", VISION
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
