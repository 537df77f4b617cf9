"""The fields in which upstreams say the status and the words of a failure."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

STATUS_FIELDS = ("code", "status", "status_code", "http_code", "type")
MESSAGE_FIELDS = ("message", "msg", "detail", "error_message", "errors")
"""Where upstreams put the status and the words of a failure."""

CLIENT_FIELDS = ("message", "type", "code", "param")
"""Fields of an error that its clients may see; others name users, providers and raw answers."""


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]|error$|exceeded$", "", name.lower())


STATUS_OF_CODE = {_bare(status.name): status.value for status in HTTPStatus if status >= 400} | {
    _bare(name): status
    for status, names in {
        400: "invalid_request invalid_argument context_length content_filter content_policy",
        401: "authentication invalid_api_key unauthenticated",
        402: "insufficient_credits insufficient_balance billing",
        403: "permission permission_denied",
        404: "model_not_found",
        413: "request_too_large",
        429: "rate_limit insufficient_quota resource_exhausted",
        500: "server api internal",
        503: "unavailable engine_overloaded server_overloaded",
        504: "timeout deadline",
        529: "overloaded",
    }.items()
    for name in names.split()
}
"""Status of the words that OpenAI, Anthropic, Google, vLLM and others use in place of a number.

Without capitals and marks and without "error" or "exceeded" at the end: ``RateLimitError`` and
``rate_limit_exceeded`` are one word.
"""


def failure_message(error: Mapping[str, Any]) -> str | None:
    """Return the words of a failure; of a list of failures those of the first."""
    for name in MESSAGE_FIELDS:
        value = error.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            texts = [value[name] for name in MESSAGE_FIELDS if isinstance(value.get(name), str)]
            where = value.get("loc")  # FastAPI says the field there
            place = ".".join(map(str, where)) + ": " if isinstance(where, list) else ""
            value = place + texts[0] if texts else None
        if isinstance(value, str) and value:
            return value
    return None


def failure_status(error: Mapping[str, Any]) -> int | None:
    """Return the HTTP status that a failure says: a number, a number as text, or a word."""
    for name in STATUS_FIELDS:
        value = error.get(name)
        status = STATUS_OF_CODE.get(_bare(value)) if isinstance(value, str) else value
        if isinstance(value, str) and value.isdecimal():
            status = int(value[:4])
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None


def client_error(error: Mapping[str, Any], redact: Callable[[str], str]) -> dict[str, Any]:
    """Return what a client may see of an upstream's error object: `CLIENT_FIELDS`.

    Parameters
    ----------
    error : mapping
    redact : callable
        Removes what is private from a text.
    """
    shown = {name: error[name] for name in CLIENT_FIELDS if name in error}
    return {
        name: redact(value) if isinstance(value, str) else value
        for name, value in shown.items()
        if value is None or isinstance(value, str | int | float)
    }
