"""The object ``response``: what a whole answer and the last event of a stream are."""

import time
from typing import Any
from uuid import uuid4

from deployments.responses_api.fields import JsonObject
from deployments.responses_api.request import ResponseBody

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reason of an answer that is not whole -> this API's reason."""

SAME_ECHOES = (
    "model",
    "instructions",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_logprobs",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
)


def echo(body: ResponseBody) -> dict[str, Any]:
    """Return what a response repeats of its request, with a new id."""
    text = body.text.model_dump(exclude_none=True) if body.text else {}
    reasoning = body.reasoning.model_dump() if body.reasoning else {}
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        **{name: getattr(body, name) for name in SAME_ECHOES},
        "background": False,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "store": False,
        "text": {"format": {"type": "text"}, **text},
        "tool_choice": "auto" if body.tool_choice is None else body.tool_choice,
        "tools": list(body.tools or ()),
        "truncation": body.truncation or "disabled",
    }


def response_object(
    request: JsonObject,
    *,
    status: str,
    answer: JsonObject,
    output: list[dict[str, Any]],
    details: JsonObject | None = None,
    error: JsonObject | None = None,
) -> dict[str, Any]:
    """Return the object ``response``.

    Parameters
    ----------
    request : mapping
        What it repeats of its request.
    status : str
        ``in_progress``, ``completed``, ``incomplete`` or ``failed``.
    answer : mapping
        The chat completion, or what its chunks had so far of ``model``, ``usage`` and ``scope``.
    output : list of dict
        The items.
    details : mapping, optional
        Why it is incomplete.
    error : mapping, optional
        Why it failed.
    """
    scope = {"scope": answer["scope"]} if answer.get("scope") is not None else {}
    return {
        **request,
        "status": status,
        "completed_at": int(time.time()) if status == "completed" else None,
        "error": error,
        "incomplete_details": details,
        "model": answer.get("model") or request["model"],
        "output": output,
        "usage": response_usage(answer.get("usage")),
        **scope,
    }


def end_of(finish_reason: object) -> tuple[str, dict[str, Any] | None]:
    """Return the status and the details of an answer that ended with a finish reason.

    Examples
    --------
    >>> end_of("stop"), end_of("length")
    (('completed', None), ('incomplete', {'reason': 'max_output_tokens'}))
    """
    reason = INCOMPLETE.get(str(finish_reason))
    return ("completed", None) if reason is None else ("incomplete", {"reason": reason})


def response_usage(usage: object) -> dict[str, Any] | None:
    """Return the tokens of an answer; None if the upstream did not count them.

    The details are 0 where the upstream does not state them: this API has no unknown there.
    """
    if not isinstance(usage, dict):
        return None
    n_in, n_out = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if n_in is None or n_out is None:
        return None
    read, written = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return {
        "input_tokens": n_in,
        "input_tokens_details": {
            "cached_tokens": _count(read, "cached_tokens") or 0,
            "cache_write_tokens": _count(read, "cache_write_tokens") or 0,
        },
        "output_tokens": n_out,
        "output_tokens_details": {"reasoning_tokens": _count(written, "reasoning_tokens") or 0},
        "total_tokens": n_in + n_out,
    }


def _count(counts: object, name: str) -> int | None:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) else None
