"""The texts of a chat as the conventions for generative AI write them, for traces with prompts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scope.upstream import choices_of


def input_messages(messages: Sequence[Any]) -> str:
    """Return the messages of a request as JSON.

    Parameters
    ----------
    messages : sequence
        As in a chat completion. What is no message is left out.
    """
    return json.dumps([_message(message) for message in messages if isinstance(message, Mapping)])


def output_messages(completion: Mapping[str, Any]) -> str:
    """Return the message of every choice of a whole answer as JSON."""
    messages = [choice.get("message") for choice in choices_of(completion)]
    return input_messages(messages)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    role = message.get("role") or "assistant"
    if role == "tool":
        call_id, content = message.get("tool_call_id"), message.get("content")
        parts = [{"type": "tool_call_response", "id": call_id, "response": content}]
        return {"role": role, "parts": parts}
    return {"role": role, "parts": list(_parts(message))}


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str):
        yield {"type": "reasoning", "content": reasoning}
    content = message.get("content")
    if isinstance(content, str):
        yield {"type": "text", "content": content}
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping):
            yield _part(part)
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield {
                "type": "tool_call",
                "id": call.get("id"),
                "name": function.get("name"),
                "arguments": function.get("arguments"),
            }


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a text; of images, files and audio, which may be megabytes, only the kind."""
    if part.get("type") == "text":
        return {"type": "text", "content": part.get("text")}
    return {"type": str(part.get("type"))}
