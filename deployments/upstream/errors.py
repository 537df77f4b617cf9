"""Errors of the endpoint's own, and what the client receives for a failed request."""

import json
import math
from collections.abc import Mapping
from typing import Any

from scope.upstream import TIMEOUT, UpstreamError

FULL, OPEN, RESTING, DEADLINE = "full", "open circuit", "retry after", "deadline"
NOT_ATTEMPTED = frozenset({FULL, OPEN, RESTING})
SERVER_ERROR, RATE_LIMIT_ERROR = "server_error", "rate_limit_error"


def not_attempted_error(kind: str, wait_s: float, status: int | None = None) -> UpstreamError:
    """Return the error of an upstream that was not called; `status` is its own of before."""
    error = UpstreamError(kind, f"try again in {math.ceil(wait_s)} s", status)
    error.wait_s = wait_s
    return error


def error_body(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Return an error of the shape that OpenAI's clients expect."""
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


def error_event(error: UpstreamError, model: str) -> bytes:
    """Return the last event of a stream that broke; OpenAI's clients raise it."""
    _, body = _status_and_body(error, f"{model} broke off: {error}")
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def error_answer(error: UpstreamError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers for a request that no model answered.

    An error of the request itself passes through in the upstream's words. All others are
    reported in ours: with the upstream's status if a retry may help, 504 for a time-out, 502
    otherwise; with the upstream's ``Retry-After``, which 429 and 503 always have.
    """
    if error.is_client_error:
        body = error.body or error_body(error.message, "invalid_request_error")
        return error.status or 400, body, {}
    status, body = _status_and_body(error, f"no model answered; the last error is {error}")
    wait_s = 1.0 if error.wait_s is None and status in (429, 503) else error.wait_s
    return status, body, {} if wait_s is None else {"retry-after": f"{math.ceil(wait_s)}"}


def _status_and_body(error: UpstreamError, message: str) -> tuple[int, dict[str, Any]]:
    if error.status == 429 and not error.lacks_credit:
        return 429, error_body(message, RATE_LIMIT_ERROR, "upstream_rate_limited")
    by_kind: Mapping[str, tuple[int, str]] = {
        FULL: (503, "upstreams_full"),
        OPEN: (503, "upstreams_down"),
        DEADLINE: (504, "deadline_exceeded"),
        TIMEOUT: (504, "upstream_timeout"),
    }
    status, code = by_kind.get(error.kind, (502, "upstream_failed"))
    if error.status is not None and error.is_retryable:
        status = error.status
    return status, error_body(message, SERVER_ERROR, code)
