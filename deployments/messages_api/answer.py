"""A whole chat completion as a message."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployments.messages_api.vocabulary import message_id, message_usage, stop_of, tool_use_id
from scope.upstream import choices_of

Block = dict[str, Any]

INVALID_JSON = "INVALID_JSON"
"""Field of an input that holds the arguments of a model that wrote no JSON object; Anthropic's
documentation wraps such a text so."""


def message_of(completion: Mapping[str, Any], stop_sequences: Sequence[str]) -> dict[str, Any]:
    """Return the message that a chat completion stands for.

    Parameters
    ----------
    completion : mapping
        With our name of the model, and our field ``scope``.
    stop_sequences : sequence of str
        Of the request.
    """
    choice: Mapping[str, Any] = next(iter(choices_of(completion)), {})
    said = choice.get("message")
    said = said if isinstance(said, Mapping) else {}
    calls = [_tool_use(call) for call in _objects(said.get("tool_calls"))]
    refusal = said.get("refusal")
    text = text_of(said.get("content")) or (refusal if isinstance(refusal, str) else "")
    stop = stop_of(choice, stop_sequences, has_calls=bool(calls), has_refusal=bool(refusal))
    texts = [{"type": "text", "text": text}] if text else []
    return {
        "id": message_id(completion.get("id")),
        "type": "message",
        "role": "assistant",
        "model": completion.get("model"),
        "content": [*_thinking(said), *texts, *calls],
        "stop_reason": stop.reason,
        "stop_sequence": stop.sequence,
        "usage": message_usage(completion.get("usage")),
        "scope": completion.get("scope"),
    }


def text_of(content: object) -> str:
    """Return the text of the content of a message, which may be a list of parts."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in _objects(content) if part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def reasoning_text(said: Mapping[str, Any]) -> str:
    """Return the reasoning of a message or a delta that is plain text."""
    fields = (said.get("reasoning"), said.get("reasoning_content"))
    return next((text for text in fields if isinstance(text, str) and text), "")


def reasoning_details(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the pieces of reasoning of a message or a delta, with their signatures."""
    return _objects(said.get("reasoning_details"))


def detail_text(detail: Mapping[str, Any]) -> str:
    """Return the text of a piece of reasoning, or of its summary."""
    text = detail.get("text") or detail.get("summary")
    return text if isinstance(text, str) else ""


def input_of(arguments: object) -> dict[str, Any]:
    """Return the input of a tool call; arguments that are no JSON object stay as a text.

    Examples
    --------
    >>> input_of('{"a": 1}'), input_of(""), input_of('{"a": ')
    ({'a': 1}, {}, {'INVALID_JSON': '{"a": '})
    """
    if isinstance(arguments, Mapping):
        return dict(arguments)
    if arguments is None or arguments == "":
        return {}
    try:
        value = json.loads(as_text(arguments), parse_constant=_refuse)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {INVALID_JSON: as_text(arguments)}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def as_text(arguments: object) -> str:
    """Return the arguments of a tool call as text."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _thinking(said: Mapping[str, Any]) -> Iterator[Block]:
    details = reasoning_details(said)
    for detail in details:
        if detail.get("type") == "reasoning.encrypted":
            yield {"type": "redacted_thinking", "data": str(detail.get("data") or "")}
        elif (text := detail_text(detail)) or detail.get("signature"):
            yield thinking_block(text, detail.get("signature"))
    if not details and (text := reasoning_text(said)):
        yield thinking_block(text)


def thinking_block(text: str, signature: object = None) -> Block:
    """Return a block of reasoning; most upstreams do not sign theirs."""
    signed = signature if isinstance(signature, str) else ""
    return {"type": "thinking", "thinking": text, "signature": signed}


def _tool_use(call: Mapping[str, Any]) -> Block:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    return {
        "type": "tool_use",
        "id": tool_use_id(call.get("id")),
        "name": str(function.get("name") or ""),
        "input": input_of(function.get("arguments")),
    }


def _objects(values: object) -> list[Mapping[str, Any]]:
    listed = values if isinstance(values, list) else ()
    return [value for value in listed if isinstance(value, Mapping)]
