"""Errors in Anthropic's format."""

from collections.abc import Mapping
from typing import Any

ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status -> type; all others are ``invalid_request_error`` or ``api_error``."""

STATUS_OF_CODE: Mapping[str, int] = {
    "upstream_rate_limited": 429,
    "upstreams_full": 503,
    "upstreams_down": 503,
    "deadline_exceeded": 504,
    "upstream_timeout": 504,
}
"""Code of an error of the endpoint's own -> its status."""


def anthropic_error(status: int, error: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an error response.

    Parameters
    ----------
    status : int
    error : mapping
        In OpenAI's format.
    """
    kind = ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": str(error.get("message"))}}


def stream_error(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last event of a stream that broke: its status is known by the code alone."""
    return anthropic_error(STATUS_OF_CODE.get(str(error.get("code")), 500), error)
