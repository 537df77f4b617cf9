"""The body of a request: the fields that are read, and their types."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from deployments.protocol import short_repr

ListField = Field(strict=False)  # JSON has lists only: a strict tuple would reject them
Count = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


def blocks_of(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return content as blocks; a text is one block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _as_blocks(content: object) -> object:
    if isinstance(content, str | list):
        return blocks_of(content)
    raise ValueError(f"expected text or a list of content blocks, got {short_repr(content)}")


_BLOCK_SCHEMA = {
    "type": "object",
    "properties": {"type": {"type": "string", "minLength": 1}},
    "required": ["type"],
}
_CONTENT_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": _BLOCK_SCHEMA}]}


class _Part(BaseModel):
    """An object of a body; fields that are not listed are read elsewhere, or not at all."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class ContentBlock(_Part):
    """A block of any type."""

    type: Text


Content = Annotated[
    tuple[ContentBlock, ...],
    ListField,
    BeforeValidator(_as_blocks),
    WithJsonSchema(_CONTENT_SCHEMA),
]


class InputMessage(_Part):
    """One message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[Content, Field(repr=False)]


class ToolChoice(_Part):
    """Whether the model may, must or must not call a tool."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(_Part):
    """Whether the model reasons before it answers."""

    type: Text
    budget_tokens: Count | None = None


class JsonFormat(_Part):
    """A JSON schema that the answer satisfies."""

    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(_Part):
    """Effort and format of the answer."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None


class Metadata(_Part):
    """Who the request is for."""

    user_id: str | None = None


class CountTokensBody(_Part):
    """What both endpoints read; in optional fields null means absent."""

    model: Text
    messages: Annotated[tuple[InputMessage, ...], ListField, Field(min_length=1, repr=False)]
    system: Annotated[Content | None, Field(repr=False)] = None
    tools: Annotated[tuple[dict[str, Any], ...], ListField] | None = None
    tool_choice: ToolChoice | None = None
    cache_control: dict[str, Any] | None = None
    """Mark for the prompt cache, of the last part of the request."""
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None
    """Of the beta API: as ``output_config.format``."""


class MessagesBody(CountTokensBody):
    """The body of a request for an answer."""

    max_tokens: Count
    stop_sequences: Annotated[tuple[str, ...], ListField] | None = None
    temperature: Number | None = None
    top_p: Number | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    metadata: Metadata | None = None
    service_tier: Text | None = None
    stream: bool | None = None
