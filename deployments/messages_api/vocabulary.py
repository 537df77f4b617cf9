"""Words and counts that both APIs have, under other names."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scope.prices import TokenUsage

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""Finish reason -> stop reason."""

NATIVE_STOP_REASONS = frozenset({"pause_turn", "refusal", "model_context_window_exceeded"})
"""Stop reasons that no finish reason has; OpenRouter passes them on in `native_finish_reason`."""

_NO_ID = re.compile(r"[^A-Za-z0-9_-]")


class Stop(NamedTuple):
    """Why an answer ended."""

    reason: str
    sequence: str | None = None
    """Of the client's, the one that the model wrote."""


def stop_of(
    choice: Mapping[str, Any], sequences: Sequence[str], *, has_calls: bool, has_refusal: bool
) -> Stop:
    """Return why an answer ended.

    Parameters
    ----------
    choice : mapping
        With the finish reason. vLLM says in ``stop_reason`` which sequence ended the answer.
    sequences : sequence of str
        The stop sequences of the request.
    has_calls, has_refusal : bool
        Whether the answer calls a tool; some upstreams say ``stop`` then. Whether it refuses.
    """
    finish, sequence = choice.get("finish_reason"), choice.get("stop_reason")
    native = choice.get("native_finish_reason")
    if native in NATIVE_STOP_REASONS:
        return Stop(native)
    if finish in ("stop", None) and has_calls:
        return Stop("tool_use")
    if finish == "stop" and has_refusal:
        return Stop("refusal")
    if finish == "stop" and isinstance(sequence, str) and sequence in sequences:
        return Stop("stop_sequence", sequence)
    return Stop(STOP_REASONS.get(finish or "stop", "end_turn"))


def message_usage(usage: object) -> dict[str, Any]:
    """Return the counts of an answer; what is not reported is None.

    Anthropic counts the tokens of the cache beside the prompt's, OpenAI among them.

    Examples
    --------
    >>> details = {"cached_tokens": 80}
    >>> usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": details}
    >>> message_usage(usage)["input_tokens"], message_usage(usage)["cache_read_input_tokens"]
    (20, 80)
    """
    read = TokenUsage.from_json(usage)
    prompt, special = read.prompt_tokens, read.special
    fields = usage if isinstance(usage, Mapping) else {}
    details = fields.get("prompt_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    counts: dict[str, Any] = {
        "input_tokens": None if prompt is None else prompt - special.cached - special.cache_write,
        "cache_creation_input_tokens": _known(special.cache_write, details, "cache_write_tokens"),
        "cache_read_input_tokens": _known(special.cached, details, "cached_tokens"),
        "output_tokens": read.completion_tokens,
    }
    if special.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": special.reasoning}
    return counts


def _known(count: int, details: Mapping[str, Any], name: str) -> int | None:
    return count if count or details.get(name) == 0 else None


def message_id(completion_id: object) -> str:
    """Return the id of a message, made of that of its chat completion.

    Examples
    --------
    >>> message_id("chatcmpl-1"), message_id("msg_2")
    ('msg_chatcmpl-1', 'msg_2')
    """
    known = _NO_ID.sub("_", completion_id) if isinstance(completion_id, str) else ""
    known = known or uuid.uuid4().hex
    return known if known.startswith("msg_") else f"msg_{known}"


def tool_use_id(call_id: object) -> str:
    """Return the id of a tool call; an upstream that sends none gets a new one."""
    return call_id if isinstance(call_id, str) and call_id else f"toolu_{uuid.uuid4().hex}"
