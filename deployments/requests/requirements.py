"""What a model must support to answer a request."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic_core import to_json

from deployments.requests.chat import ChatRequest
from scope.token_estimate import estimated_tokens

MESSAGE_TOKENS = 8
"""Tokens that a chat template adds to a message."""
ATTACHMENT_TOKENS = 1_600
"""Tokens of the largest image with most providers; other attachments may have more."""

ATTACHMENTS = {
    **dict.fromkeys(("image_url", "input_image", "image"), "vision"),
    **dict.fromkeys(("input_audio", "audio_url", "audio"), "audio_input"),
    **dict.fromkeys(("video_url", "input_video", "video"), "video_input"),
    **dict.fromkeys(("file", "input_file", "document"), "pdf_input"),
}
"""Type of a part -> the capability that it needs, as LiteLLM's catalogue names it."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a model must support to answer a request.

    Attributes
    ----------
    prompt_tokens : int
        Estimated on the high side.
    completion_tokens : int
        Largest number that the client allows; 0 if the request has none.
    attachments : frozenset of str
        Capabilities that the images, recordings, videos and files of the request need.
    tools : bool
        Whether the request has any.
    answer_format : str or None
        ``json_object`` or ``json_schema``.
    single_sample : str or None
        What in the request rules out the best of several samples.
    own_effort : bool
        Whether the request sets its reasoning effort.
    fields : frozenset of str
        The fields of the body that are not null.
    """

    prompt_tokens: int
    completion_tokens: int = 0
    attachments: frozenset[str] = frozenset()
    tools: bool = False
    answer_format: str | None = None
    single_sample: str | None = None
    own_effort: bool = False
    fields: frozenset[str] = frozenset()

    @classmethod
    def from_chat(cls, chat: ChatRequest) -> "Requirements":
        """Return the requirements of a chat."""
        kinds = [part["type"] for message in chat.messages for part in message.parts()]
        attached = [ATTACHMENTS[kind] for kind in kinds if kind in ATTACHMENTS]
        answer_format = (chat.response_format or {}).get("type")
        return cls(
            prompt_tokens=estimated_tokens(b"".join(_token_sources(chat)))
            + MESSAGE_TOKENS * len(chat.messages)
            + ATTACHMENT_TOKENS * len(attached),
            completion_tokens=chat.completion_tokens() or 0,
            attachments=frozenset(attached),
            tools=bool(chat.tools or chat.extra("functions")),
            answer_format=answer_format
            if answer_format in ("json_object", "json_schema")
            else None,
            single_sample=next(_single_sample_reasons(chat), None),
            own_effort=any(chat.extra(name) is not None for name in EFFORT_FIELDS),
            fields=chat.given_fields(),
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


def _token_sources(chat: ChatRequest) -> Iterator[bytes]:
    """Yield everything that becomes tokens: texts, tool calls, tool descriptions, schemas."""
    for message in chat.messages:
        for part in message.parts():
            if part["type"] == "text":
                yield part["text"].encode()
            elif part["type"] not in ATTACHMENTS:
                yield to_json(part)
        if message.model_extra:
            yield to_json(message.model_extra)
    for schema in (chat.tools, chat.response_format):
        if schema:
            yield to_json(schema)
