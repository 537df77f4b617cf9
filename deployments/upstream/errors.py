"""How a call to an upstream can fail, and what the client is told of it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from scope.upstream import RETRIED_STATUSES, UpstreamError

OPERATOR_STATUSES = frozenset({401, 402, 403, 404})
"""About our key, our credit or our settings: nothing that the client could mend."""
FULL, OPEN, DEADLINE = "full", "open circuit", "deadline"
NOT_ATTEMPTED = frozenset({FULL, OPEN})
SERVER_ERROR, RATE_LIMIT_ERROR = "server_error", "rate_limit_error"


class UpstreamStatusError(UpstreamError):
    """A status other than 200.

    Attributes
    ----------
    body : dict
        What the upstream said, OpenAI-shaped, without the key.
    """

    def __init__(self, status: int, message: str, body: dict[str, Any]) -> None:
        super().__init__(f"http {status}", message, status)
        self.args = (status, message, body)
        self.body = body


def not_attempted_error(kind: str, wait_s: float) -> UpstreamError:
    """Return the error of a model that was not even asked."""
    error = UpstreamError(kind, f"try again in {wait_s:.0f} s")
    error.wait_s = wait_s
    return error


def is_client_error(error: UpstreamError) -> bool:
    """Say whether the request itself is wrong: every other model would refuse it alike."""
    status = error.status or 0
    return 400 <= status < 500 and status not in RETRIED_STATUSES | OPERATOR_STATUSES


def error_body(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Return an error of the shape OpenAI's clients expect."""
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


def error_event(error: UpstreamError, model: str) -> bytes:
    """Return the last event of a stream that broke; OpenAI's clients raise it."""
    _, body = _status_and_body(error, f"{model} broke off: {error}")
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def error_answer(error: UpstreamError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers for a request that no model answered.

    What is wrong with the request itself is passed on as the upstream said it. All else is told
    in our words: 429 and 503 with ``Retry-After``, 504 where time ran out, 502 otherwise.
    """
    if isinstance(error, UpstreamStatusError) and is_client_error(error):
        return error.status or 400, error.body, {}
    status, body = _status_and_body(error, f"no model answered; the last said {error}")
    wait_s = error.wait_s if error.wait_s is not None else 1.0
    return status, body, {"retry-after": f"{math.ceil(wait_s)}"} if status in (429, 503) else {}


def _status_and_body(error: UpstreamError, message: str) -> tuple[int, dict[str, Any]]:
    if error.status == 429:
        return 429, error_body(message, RATE_LIMIT_ERROR, "upstream_rate_limited")
    told: Mapping[str, tuple[int, str]] = {
        FULL: (503, "upstreams_full"),
        OPEN: (503, "upstreams_down"),
        DEADLINE: (504, "deadline_exceeded"),
        "timeout": (504, "upstream_timeout"),
    }
    status, code = told.get(error.kind, (502, "upstream_failed"))
    return status, error_body(message, SERVER_ERROR, code)
