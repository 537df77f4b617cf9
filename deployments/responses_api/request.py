"""The body of a response, and the chat completion that it is translated to."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from deployments.protocol import field_error, short_repr, validate
from deployments.responses_api.fields import JsonObject, required_text
from deployments.responses_api.input_items import MessageList
from deployments.responses_api.tools import ToolSet

STATEFUL = {
    "previous_response_id": "send the whole conversation as input",
    "conversation": "send the whole conversation as input",
    "prompt": "send the text of the prompt as instructions and input",
}
"""Field that refers to what OpenAI stores -> what to do instead."""

CHAT_NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "logprobs": "include",
    "functions": "tools",
    "function_call": "tool_choice",
}
"""Field of a chat completion -> what it is called in this API."""

SAME_FIELDS = (
    "model",
    "scope",
    "plugins",
    "stream",
    "temperature",
    "top_p",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
)
"""Fields that mean the same in a chat completion; sent only if the client set them."""

PASSED_FIELDS = (
    "chat_template_kwargs",
    "frequency_penalty",
    "logit_bias",
    "min_p",
    "models",
    "prediction",
    "presence_penalty",
    "prompt_cache_retention",
    "provider",
    "repetition_penalty",
    "seed",
    "stop",
    "top_k",
)
"""Fields of chat completions, of OpenAI's and common upstreams', that a client may add."""

SHOWN_NAME = re.compile(r"\w{1,40}", re.ASCII)
"""Name of an unknown field that may be told in a header."""

LOGPROBS = "message.output_text.logprobs"

ListField = Field(strict=False)  # JSON has lists only: a strict tuple would reject them
Number = Annotated[float, Field(allow_inf_nan=False)]
Input = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "minItems": 1, "items": {"type": "object"}},
            ]
        }
    ),
]
ToolChoice = Annotated[
    Any,
    WithJsonSchema(
        {"anyOf": [{"enum": ["auto", "none", "required", None]}, {"type": "object"}]},
    ),
]


class TextOptions(BaseModel):
    """The field ``text``."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    format: dict[str, Any] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(BaseModel):
    """The field ``reasoning``."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    effort: str | None = None


class ResponseBody(BaseModel):
    """A request for a response; in optional fields null means absent.

    The class is also the schema of the body.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    model: Annotated[str, Field(min_length=1)]
    input: Annotated[Input, Field(repr=False)]
    instructions: Annotated[str | None, Field(repr=False)] = None
    tools: Annotated[tuple[dict[str, Any], ...], ListField] | None = None
    tool_choice: ToolChoice = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Number | None = None
    top_p: Number | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: Annotated[tuple[str, ...], ListField] | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    metadata: dict[str, str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    store: bool | None = None
    background: bool | None = None
    scope: dict[str, Any] | None = None
    plugins: Annotated[tuple[dict[str, Any], ...], ListField] | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        """Check a parsed body.

        Raises
        ------
        RequestError
            With the first mistake, or if the request needs what is not stored here.
        """
        _check_stateless(body)
        for name, ours in CHAT_NAMES.items():
            if body.get(name) is not None:
                raise field_error(name, f"a field of chat completions; expected {ours}")
        return validate(cls, body)

    def passed_fields(self) -> dict[str, Any]:
        """Return the fields of chat completions that the client added, such as ``seed``."""
        extra = self.model_extra or {}
        return {name: extra[name] for name in PASSED_FIELDS if extra.get(name) is not None}

    def ignored_fields(self) -> list[str]:
        """Return the fields that are given and without effect: upstreams refuse unknown ones."""
        extra = self.model_extra or {}
        known = {*SAME_FIELDS, *PASSED_FIELDS}
        ignored = [
            name if SHOWN_NAME.fullmatch(name) else "a field"
            for name, value in extra.items()
            if value is not None and name not in known
        ]
        return [*ignored, "truncation"] if self.truncation == "auto" else ignored


def _check_stateless(body: JsonObject) -> None:
    for name, remedy in STATEFUL.items():
        if body.get(name) is not None:
            raise field_error(name, f"responses are not stored here; {remedy}")
    if body.get("background") is True:
        message = "responses are not stored here; expected false, and wait for the answer"
        raise field_error("background", message)


def chat_body(body: ResponseBody, tools: ToolSet, items: MessageList) -> dict[str, Any]:
    """Return the chat completion of a response; `items` collects its messages.

    Raises
    ------
    RequestError
        If an item, a tool or a format is wrong.
    """
    chat = body.passed_fields()
    for name in SAME_FIELDS:
        value = getattr(body, name, None)
        if value is not None:
            chat[name] = value
    if body.plugins is not None:
        chat["plugins"] = list(body.plugins)
    chat["messages"] = _messages(body, items)
    chat |= tools.chat_fields(body.tool_choice)
    if body.parallel_tool_calls is not None and "tools" in chat:
        chat["parallel_tool_calls"] = body.parallel_tool_calls
    if body.max_output_tokens is not None:
        chat["max_tokens"] = body.max_output_tokens
    if body.top_logprobs or LOGPROBS in (body.include or ()):
        chat |= {"logprobs": True, "top_logprobs": body.top_logprobs or 0}
    if body.reasoning is not None and body.reasoning.effort is not None:
        chat["reasoning_effort"] = body.reasoning.effort
    return chat | _format_fields(body.text)


def _messages(body: ResponseBody, items: MessageList) -> list[dict[str, Any]]:
    if body.instructions:
        items.add_text("system", body.instructions)
    if isinstance(body.input, str):
        items.add_text("user", body.input)
    elif isinstance(body.input, list):
        for index, item in enumerate(body.input):
            where = f"input[{index}]"
            if not isinstance(item, dict):
                raise field_error(where, f"expected an object, got {short_repr(item)}")
            items.add(item, where)
    else:
        message = f"expected text or a list of items, got {short_repr(body.input)}"
        raise field_error("input", message)
    messages = items.finish()
    if not messages:
        raise field_error("input", "expected at least 1 message")
    return messages


def _format_fields(text: TextOptions | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if text is None:
        return fields
    if text.verbosity is not None:
        fields["verbosity"] = text.verbosity
    if text.format is None:
        return fields
    kind = required_text(text.format, "type", "text.format")
    if kind == "json_object":
        fields["response_format"] = {"type": kind}
    elif kind == "json_schema":
        required_text(text.format, "name", "text.format")
        schema = {name: text.format[name] for name in text.format if name != "type"}
        if not isinstance(schema.get("schema"), dict):
            raise field_error("text.format.schema", "expected an object")
        given = {name: value for name, value in schema.items() if value is not None}
        fields["response_format"] = {"type": kind, "json_schema": given}
    elif kind != "text":
        expected = "expected one of text, json_object, json_schema"
        raise field_error("text.format.type", f"{expected}, got {short_repr(kind)}")
    return fields
