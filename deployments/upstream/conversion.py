"""Send a whole answer as a stream, for upstreams that ignore ``stream: true``."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scope.upstream import choices_of

END = b"data: [DONE]\n\n"


def completion_events(answer: Mapping[str, Any]) -> list[bytes]:
    """Return the server-sent events of a whole answer, without ``[DONE]``.

    Two for each choice, its message and its finish reason, then the usage.
    """
    return [to_event(chunk) for chunk in _chunks(answer)]


def to_event(chunk: Mapping[str, Any]) -> bytes:
    """Return the server-sent event of a JSON object."""
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _chunks(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    usage = answer.get("usage")
    head = {name: answer[name] for name in answer if name not in ("choices", "usage")}
    head |= {"object": "chat.completion.chunk"}
    for position, choice in enumerate(choices_of(answer)):
        message = choice.get("message")
        if not isinstance(message, dict):
            continue
        calls = message.get("tool_calls")
        begun = {name: choice[name] for name in choice if name != "message"}
        begun |= {"index": choice.get("index", position), "finish_reason": None}
        delta = dict(message)
        if isinstance(calls, list):
            known = [call for call in calls if isinstance(call, dict)]
            delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(known)]
        reason = choice.get("finish_reason") or ("tool_calls" if calls else "stop")
        yield {**head, "choices": [{**begun, "delta": delta}]}
        ended = {"index": begun["index"], "delta": {}, "finish_reason": reason}
        yield {**head, "choices": [ended]}
    if usage is not None:
        yield {**head, "choices": [], "usage": usage}
