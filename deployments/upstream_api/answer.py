"""A chat completion, made of an answer of Anthropic's Messages API."""

import json
import time
from collections.abc import Mapping
from typing import Any

JsonObject = Mapping[str, Any]

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""``stop_reason`` -> ``finish_reason``; of a reason that is new: ``stop``."""

FORMAT = "anthropic-claude-v1"
"""How OpenRouter names the signatures of Claude, so that no other model is sent them."""


def chat_completion(message: JsonObject) -> dict[str, Any]:
    """Return the chat completion of a whole answer.

    Blocks of tools that the provider runs itself, and citations, are left out.
    """
    answer: dict[str, Any] = {"role": "assistant", "content": None}
    texts, calls = list[str](), list[dict[str, Any]]()
    details = list[dict[str, Any]]()
    for block in message["content"]:
        kind = block["type"]
        if kind == "text":
            texts.append(block["text"])
        elif kind == "tool_use":
            calls.append(tool_call(block, json.dumps(block["input"])))
        elif detail := reasoning_detail(block, len(details)):
            details.append(detail)
    if texts or not calls:
        answer["content"] = "".join(texts)
    if calls:
        answer["tool_calls"] = calls
    if details:
        answer["reasoning"] = "".join(detail.get("text", "") for detail in details)
        answer["reasoning_details"] = details
    choice = {"index": 0, "message": answer, **finish_fields(message)}
    return {
        **completion_head(message, "chat.completion"),
        "choices": [choice],
        **({"usage": chat_usage(message["usage"])} if message.get("usage") else {}),
    }


def completion_head(message: JsonObject, kind: str) -> dict[str, Any]:
    """Return the first fields of an answer or of a chunk."""
    created = int(time.time())
    return {
        "id": message.get("id"),
        "object": kind,
        "created": created,
        "model": message.get("model") or "",
    }


def tool_call(block: JsonObject, arguments: str) -> dict[str, Any]:
    """Return the tool call of a block, with its arguments as JSON or the beginning of them."""
    function = {"name": block["name"], "arguments": arguments}
    return {"id": block["id"], "type": "function", "function": function}


def reasoning_detail(block: JsonObject, index: int) -> dict[str, Any] | None:
    """Return the element of ``reasoning_details`` for a block; None if it is no thinking."""
    common = {"format": FORMAT, "index": index}
    if block["type"] == "thinking":
        signed = {"signature": block["signature"]} if block.get("signature") else {}
        return {"type": "reasoning.text", "text": block.get("thinking", ""), **signed, **common}
    if block["type"] == "redacted_thinking":
        return {"type": "reasoning.encrypted", "data": block["data"], **common}
    return None


def finish_fields(stopped: JsonObject) -> dict[str, Any]:
    """Return why an answer ended, in the words of both APIs.

    Parameters
    ----------
    stopped : mapping
        Has ``stop_reason`` and perhaps ``stop_sequence``.
    """
    reason = stopped.get("stop_reason")
    fields = {
        "finish_reason": FINISH_REASONS.get(str(reason), "stop"),
        "native_finish_reason": reason,
    }
    if stopped.get("stop_sequence") is not None:
        fields["stop_reason"] = stopped["stop_sequence"]  # as vLLM says it
    return fields


def chat_usage(usage: JsonObject) -> dict[str, Any]:
    """Return the usage in OpenAI's words: the prompt includes what the cache read or kept.

    Examples
    --------
    >>> usage = {"input_tokens": 5, "cache_read_input_tokens": 90, "output_tokens": 10}
    >>> chat_usage(usage)["prompt_tokens"], chat_usage(usage)["total_tokens"]
    (95, 105)
    """
    read, written = (usage.get(f"cache_{name}_input_tokens") or 0 for name in ("read", "creation"))
    prompt = (usage.get("input_tokens") or 0) + read + written
    completion = usage.get("output_tokens") or 0
    found: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if read or written:
        found["prompt_tokens_details"] = {"cached_tokens": read, "cache_write_tokens": written}
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    if thinking is not None:
        found["completion_tokens_details"] = {"reasoning_tokens": thinking}
    return found
