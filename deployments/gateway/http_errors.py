"""Errors as responses: OpenAI-shaped JSON with an HTTP status."""

from collections.abc import Callable
from difflib import get_close_matches

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from deployments.gateway.middleware import ENDPOINTS, endpoint_label
from deployments.gateway.surfaces import SURFACES
from deployments.protocol import (
    AuthenticationError,
    ContentEncodingError,
    DecisionNotFoundError,
    ModelNotFoundError,
    NotConfiguredError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitError,
    RequestError,
    ScoreConflictError,
    short_repr,
)
from deployments.requests import ENCODINGS
from deployments.upstream import error_body
from scope.errors import ScopeError

STATUS: dict[type[ScopeError], int] = {
    AuthenticationError: 401,
    ModelNotFoundError: 404,
    DecisionNotFoundError: 404,
    ScoreConflictError: 409,
    PayloadTooLargeError: 413,
    ContentEncodingError: 415,
    RateLimitError: 429,
    OverloadedError: 503,
    NotConfiguredError: 503,
}
"""Error -> status; every other `ScopeError` is a 400."""

TYPES = {401: "authentication_error", 429: "rate_limit_error"}
"""Status -> OpenAI's error type; all others are ``invalid_request_error`` or ``server_error``."""


ALLOW_GET = ("Allow", "GET")
"""Header of Starlette's 405; HEAD is answered where GET is."""

ErrorFormat = Callable[..., JSONResponse]
"""Makes a response of a status, a message and, where known, the field and a code."""

CLOSE_ENOUGH = 0.8
"""Similarity of two paths, 0 to 1, from which one is proposed for the other."""


def install_error_handlers(api: FastAPI) -> None:
    """Have an application answer a `ScopeError` with its message, any other error without."""

    @api.exception_handler(ScopeError)
    async def scope_error(request: Request, error: ScopeError) -> Response:
        return error_response(error, error_format(request.url.path))

    @api.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        form = error_format(request.url.path)
        response = form(error.status_code, _http_message(request, error))
        for name, value in (error.headers or {}).items():
            response.headers[name] = f"{value}, HEAD" if (name, value) == ALLOW_GET else value
        return response

    @api.exception_handler(Exception)
    async def internal_error(request: Request, error: Exception) -> Response:
        form = error_format(request.url.path)
        return form(500, "internal error; the Router's log has the traceback")


def error_format(path: str) -> ErrorFormat:
    """Return how errors of a path look: in the format of the API that it speaks."""
    surface = SURFACES.get(endpoint_label(path))
    if surface is None:
        return openai_error

    def other_error(
        status: int, message: str, param: str | None = None, code: str | None = None
    ) -> JSONResponse:
        kind = error_type(status)
        error = error_body(message, kind, code, param)["error"]
        return JSONResponse(surface.error_body(status, error), status)

    return other_error


def _http_message(request: Request, error: HTTPException) -> str:
    """Return a sentence about a path or a method that the endpoint does not have."""
    path = request.url.path
    if error.status_code == 404:
        remedy = did_you_mean(path)
        return f"no such path: {short_repr(path)}; {remedy}"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow")
        return f"method: {request.method} is not allowed at {short_repr(path)}; expected {allowed}"
    return str(error.detail)


def did_you_mean(path: str) -> str:
    """Return the closest path of the endpoint, else all of them.

    Examples
    --------
    >>> did_you_mean("/v1/chat/completion")
    'did you mean /v1/chat/completions?'
    """
    close = get_close_matches(path, ENDPOINTS, 1, CLOSE_ENOUGH)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(ENDPOINTS)}"


def error_response(error: ScopeError, form: ErrorFormat) -> JSONResponse:
    """Return the response to an error, with its message."""
    param, code = (error.param, error.code) if isinstance(error, RequestError) else (None, None)
    response = form(STATUS.get(type(error), 400), str(error), param, code)
    if isinstance(error, RateLimitError | OverloadedError):
        response.headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, AuthenticationError):
        response.headers["www-authenticate"] = "Bearer"
    if isinstance(error, ContentEncodingError):
        response.headers["accept-encoding"] = ", ".join(ENCODINGS)
    return response


def openai_error(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> JSONResponse:
    """Return an error response in OpenAI's format."""
    return JSONResponse(error_body(message, error_type(status), code, param), status)


def error_type(status: int) -> str:
    """Return OpenAI's type of an error with this status."""
    return TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
