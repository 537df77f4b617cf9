"""How a call to an upstream can fail, and what the client is told of it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from scope.endpoint import RETRIED_STATUSES, CallError

OUR_ACCOUNT = frozenset({401, 402, 403, 404})
"""About our key, our credit or our settings: nothing that the client could mend."""
FULL, OPEN, DEADLINE = "full", "open circuit", "deadline"
UNCALLED = frozenset({FULL, OPEN})
SERVER_ERROR, RATE_LIMIT_ERROR = "server_error", "rate_limit_error"


class UpstreamRefusedError(CallError):
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


def uncalled(kind: str, wait_s: float) -> CallError:
    """Return the error of a model that was not even asked."""
    error = CallError(kind, f"try again in {wait_s:.0f} s")
    error.wait_s = wait_s
    return error


def is_the_clients(error: CallError) -> bool:
    """Say whether the request itself is wrong: every other model would refuse it alike."""
    status = error.status or 0
    return 400 <= status < 500 and status not in RETRIED_STATUSES | OUR_ACCOUNT


def error_body(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Return an error of the shape OpenAI's clients expect."""
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


def error_event(error: CallError, model: str) -> bytes:
    """Return the last event of a stream that broke; OpenAI's clients raise it."""
    _, body = _told(error, f"{model} broke off: {error}")
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def error_answer(error: CallError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers for a request that no model answered.

    What is wrong with the request itself is passed on as the upstream said it. All else is told
    in our words: 429 and 503 with ``Retry-After``, 504 where time ran out, 502 otherwise.
    """
    if isinstance(error, UpstreamRefusedError) and is_the_clients(error):
        return error.status or 400, error.body, {}
    status, body = _told(error, f"no model answered; the last said {error}")
    wait_s = error.wait_s if error.wait_s is not None else 1.0
    return status, body, {"retry-after": f"{math.ceil(wait_s)}"} if status in (429, 503) else {}


def _told(error: CallError, message: str) -> tuple[int, dict[str, Any]]:
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
