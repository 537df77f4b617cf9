"""The messages of a request, as those of a chat completion."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deployments.messages_api.body import blocks_of
from deployments.messages_api.fields import Ignored
from deployments.messages_api.parts import Block, Part, checked, content_of, joined, parts_of
from deployments.protocol import field_error, optional, required

ChatMessage = dict[str, Any]

ERROR_PREFIX = "Error: "
"""Before the result of a tool call that failed: a tool message has no field for it."""


def chat_messages(body: Mapping[str, Any], ignored: Ignored) -> list[ChatMessage]:
    """Return the messages of a chat completion, the system text first.

    Parameters
    ----------
    body : mapping
        Its messages are known to have a role and content of blocks with a type.
    ignored : Ignored
        Gets the blocks that no chat message can hold.

    Raises
    ------
    RequestError
        If a field of a block is wrong, or nothing is left.
    """
    messages = []
    if body.get("system"):
        messages += _system(blocks_of(body["system"]), "system", ignored)
    n_before = len(messages)
    for place, message in enumerate(body["messages"]):
        where = f"messages[{place}].content"
        read = _ROLES[message["role"]]
        messages += read(blocks_of(message["content"]), where, ignored)
    if len(messages) == n_before:
        raise field_error("messages", "no content is left that a model could read")
    if cache := body.get("cache_control"):
        _cache_up_to_the_end(messages[-1], cache)
    return messages


def _system(blocks: Sequence[Block], where: str, ignored: Ignored) -> list[ChatMessage]:
    parts = [part for block, at in _placed(blocks, where) for part in parts_of(block, at, ignored)]
    return [{"role": "system", "content": joined(parts)}] if parts else []


def _user(blocks: Sequence[Block], where: str, ignored: Ignored) -> list[ChatMessage]:
    """Return tool messages for the results of tools, then a user message with all the rest.

    A tool message holds only text: attachments of results are in the user message, and have no
    text there that could pass for the user's.
    """
    results: list[ChatMessage] = []
    attached: list[Part] = []
    parts: list[Part] = []
    for block, at in _placed(blocks, where):
        if block["type"] == "tool_result":
            results.append(_tool_result(block, at, ignored, attached))
        else:
            parts += parts_of(block, at, ignored)
    content = [*attached, *parts]
    return [*results, {"role": "user", "content": content_of(content)}] if content else results


def _tool_result(block: Block, where: str, ignored: Ignored, attached: list[Part]) -> ChatMessage:
    """Return the tool message of a result; its attachments are added to `attached`."""
    content, texts = block.get("content"), list[Part]()
    if content is not None and not isinstance(content, str):
        content = required(block, "content", list, where)
    for inner, at in _placed(blocks_of(content or []), f"{where}.content"):
        for part in parts_of(checked(inner, at), at, ignored):
            if part["type"] == "text":
                texts.append(part)
                continue
            attached.append(part)
            note = f"[attachment {len(attached)} of the user message after the tool results]"
            texts.append({"type": "text", "text": note})
    if block.get("is_error") is True:
        texts = _as_error(texts)
    if cache := optional(block, "cache_control", dict, where):
        texts = texts or [{"type": "text", "text": ""}]
        texts[-1] = texts[-1] | {"cache_control": cache}
    call_id = required(block, "tool_use_id", str, where)
    return {"role": "tool", "tool_call_id": call_id, "content": joined(texts)}


def _as_error(texts: list[Part]) -> list[Part]:
    first = texts[0] if texts else {"type": "text", "text": "the tool failed"}
    if "error" not in first["text"][:40].lower():
        first = first | {"text": ERROR_PREFIX + first["text"]}
    return [first, *texts[1:]]


def _assistant(blocks: Sequence[Block], where: str, ignored: Ignored) -> list[ChatMessage]:
    texts: list[Part] = []
    calls: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    for block, at in _placed(blocks, where):
        if block["type"] == "tool_use":
            calls.append(_tool_call(block, at))
        elif block["type"] in ("thinking", "redacted_thinking"):
            details.append(_reasoning(block, at) | {"index": len(details)})
        else:
            texts += _said(block, at, ignored)
    if not (texts or calls or details):
        return []
    message: ChatMessage = {"role": "assistant"}
    message["content"] = joined(texts) if texts or not calls else None
    if calls:
        message["tool_calls"] = calls
    if details:
        message["reasoning_details"] = details
    return [message]


def _said(block: Block, where: str, ignored: Ignored) -> list[Part]:
    """Return the parts of a block of a model, which are text."""
    parts = parts_of(block, where, ignored)
    texts = [part for part in parts if part["type"] == "text"]
    if len(texts) < len(parts):
        ignored.add(f"{where} ({block['type']})")
    return texts


def _tool_call(block: Block, where: str) -> dict[str, Any]:
    arguments = json.dumps(required(block, "input", dict, where), ensure_ascii=False)
    function = {"name": required(block, "name", str, where), "arguments": arguments}
    return {"id": required(block, "id", str, where), "type": "function", "function": function}


def _reasoning(block: Block, where: str) -> dict[str, Any]:
    if block["type"] == "redacted_thinking":
        return {"type": "reasoning.encrypted", "data": required(block, "data", str, where)}
    detail = {"type": "reasoning.text", "text": required(block, "thinking", str, where)}
    signature = optional(block, "signature", str, where)
    return detail | {"signature": signature} if signature else detail


def _cache_up_to_the_end(message: ChatMessage, cache: Mapping[str, Any]) -> None:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if parts:
        message["content"] = [*parts[:-1], {"cache_control": cache} | parts[-1]]


def _placed(blocks: Sequence[Block], where: str) -> Iterator[tuple[Block, str]]:
    for place, block in enumerate(blocks):
        yield block, f"{where}[{place}]"


_ROLES: Mapping[str, Callable[[Sequence[Block], str, Ignored], list[ChatMessage]]] = {
    "system": _system,
    "user": _user,
    "assistant": _assistant,
}
