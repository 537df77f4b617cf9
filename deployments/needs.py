"""What a request needs of a model, read off its body."""

import math
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from deployments.chat import ChatBody

BYTES_PER_TOKEN = 3
"""Of words; English takes 4.2 and code 3.5, Chinese 3 with most tokenizers."""
MESSAGE_TOKENS = 8
"""What a chat template puts around a message."""
IMAGE_TOKENS = 1_600
"""What the largest image costs with most providers."""

IMAGES = ("image_url", "input_image", "image")
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
    return part["type"] in IMAGES
