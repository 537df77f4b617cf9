"""The turns of Anthropic's Messages API, made of the messages of a chat."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployments.upstream_api.content import Block, content_blocks, text_block
from deployments.upstream_api.not_supported import not_supported

NO_TEXT = "(no text)"
"""What the user says where a chat begins with the assistant; the API wants a first user turn."""

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
"""Other models name their tool calls with dots and colons, too."""

Turn = dict[str, Any]


def conversation(messages: Sequence[Mapping[str, Any]]) -> tuple[list[Block], list[Turn]]:
    """Return the system blocks and the turns of a chat.

    Every system or developer message goes to the system blocks, those in the middle, too. Roles
    alternate: neighbours of one role are one turn, and the results of tools are at the head of the
    user turn that follows their calls. A chat of system messages only is said by the user.

    Raises
    ------
    UpstreamError
        ``not supported``: content that the API has no block for.
    """
    system: list[Block] = []
    turns: list[Turn] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system += content_blocks(message.get("content"))
        elif role == "assistant":
            _add(turns, "assistant", _assistant_blocks(message))
        elif role == "tool":
            _add(turns, "user", [_tool_result(message)])
        elif role == "function":
            raise not_supported("messages", "a message of role function (in place of tool)")
        else:
            _add(turns, "user", content_blocks(message.get("content")))
    if not turns and system:
        return [], [{"role": "user", "content": system}]
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [text_block(NO_TEXT)]})
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    _strip_end(turns[-1])
    return system, turns


def _add(turns: list[Turn], role: str, blocks: list[Block]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    elif blocks:
        turns.append({"role": role, "content": blocks})


def _strip_end(last: Turn) -> None:
    """Remove white space at the end of an answer that the model is to continue."""
    block = last["content"][-1]
    if last["role"] == "assistant" and block["type"] == "text":
        last["content"][-1] = {**block, "text": block["text"].rstrip()}


def _assistant_blocks(message: Mapping[str, Any]) -> list[Block]:
    if message.get("function_call"):
        raise not_supported("messages", "a function_call (in place of tool_calls)")
    return [
        *_thinking_blocks(message.get("reasoning_details") or ()),
        *content_blocks(message.get("content")),
        *(_tool_use(call) for call in message.get("tool_calls") or ()),
    ]


def _tool_use(call: Mapping[str, Any]) -> Block:
    function = call.get("function")
    if not isinstance(function, Mapping):
        raise not_supported("messages", f"a tool call of type {call.get('type')}")
    return {
        "type": "tool_use",
        "id": _tool_id(call.get("id")),
        "name": function.get("name"),
        "input": _tool_input(function.get("arguments")),
    }


def _tool_input(arguments: object) -> dict[str, Any]:
    """Return the arguments of a call; what is no JSON object is kept as a text."""
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        value = arguments
    if isinstance(value, dict):
        return value
    return {"arguments": arguments} if arguments else {}


def _tool_id(name: object) -> str:
    return _NOT_IN_IDS.sub("_", str(name))


def _tool_result(message: Mapping[str, Any]) -> Block:
    content = message.get("content")
    blocks = content_blocks(content)
    result: Block = {"type": "tool_result", "tool_use_id": _tool_id(message.get("tool_call_id"))}
    if blocks:
        result["content"] = content if isinstance(content, str) else blocks
    return result


def _thinking_blocks(details: Sequence[Any]) -> Iterator[Block]:
    """Yield the thinking of an earlier answer that a Claude signed, its pieces joined.

    Clients send back the pieces of a stream as they came. Thinking without a signature, or of
    another maker's model, is left out: the API refuses it.
    """
    text, index = "", None
    for detail in details:
        if not isinstance(detail, Mapping) or not _is_of_claude(detail):
            continue
        if detail.get("type") == "reasoning.encrypted" and detail.get("data"):
            yield {"type": "redacted_thinking", "data": detail["data"]}
        elif detail.get("type") == "reasoning.text":
            text = text if detail.get("index") == index else ""
            text, index = text + (detail.get("text") or ""), detail.get("index")
            if signature := detail.get("signature"):
                yield {"type": "thinking", "thinking": text, "signature": signature}
                text = ""


def _is_of_claude(detail: Mapping[str, Any]) -> bool:
    return str(detail.get("format") or "anthropic").startswith("anthropic")
