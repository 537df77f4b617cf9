"""Errors as responses: OpenAI-shaped JSON with an HTTP status."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from deployments.protocol import (
    AuthenticationError,
    DecisionNotFoundError,
    ModelNotFoundError,
    NotConfiguredError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitError,
    RequestError,
    ScoreConflictError,
)
from deployments.upstream import error_body
from scope.errors import ScopeError

STATUS: dict[type[ScopeError], int] = {
    AuthenticationError: 401,
    ModelNotFoundError: 404,
    DecisionNotFoundError: 404,
    ScoreConflictError: 409,
    PayloadTooLargeError: 413,
    RateLimitError: 429,
    OverloadedError: 503,
    NotConfiguredError: 503,
}
"""Error -> status; every other `ScopeError` is a 400."""

TYPES = {401: "authentication_error", 429: "rate_limit_error"}
"""Status -> OpenAI's error type; all others are ``invalid_request_error`` or ``server_error``."""


def install_error_handlers(api: FastAPI) -> None:
    """Have an application answer a `ScopeError` with its message, any other error without."""

    @api.exception_handler(ScopeError)
    async def scope_error(_: Request, error: ScopeError) -> Response:
        return error_response(error)

    @api.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        return openai_error(error.status_code, str(error.detail))

    @api.exception_handler(Exception)
    async def internal_error(_: Request, error: Exception) -> Response:
        return openai_error(500, "internal error; the Router's log has the traceback")


def error_response(error: ScopeError) -> JSONResponse:
    """Return the response to an error, with its message."""
    param, code = (error.param, error.code) if isinstance(error, RequestError) else (None, None)
    response = openai_error(STATUS.get(type(error), 400), str(error), param, code)
    if isinstance(error, RateLimitError | OverloadedError):
        response.headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, AuthenticationError):
        response.headers["www-authenticate"] = "Bearer"
    return response


def openai_error(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> JSONResponse:
    """Return an error response in OpenAI's format."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return JSONResponse(error_body(message, kind, code, param), status)
