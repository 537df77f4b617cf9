"""Errors as clients get them: OpenAI-shaped JSON with the status they act on."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from deployments.protocol import (
    AuthenticationError,
    ModelNotFoundError,
    NotConfiguredError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitError,
    RequestError,
)
from deployments.upstream import error_body
from scope.errors import ScopeError

STATUS: dict[type[ScopeError], int] = {
    AuthenticationError: 401,
    ModelNotFoundError: 404,
    PayloadTooLargeError: 413,
    RateLimitError: 429,
    OverloadedError: 503,
    NotConfiguredError: 503,
}
"""Of errors; all others that are told to clients are 400."""

TYPES = {401: "authentication_error", 429: "rate_limit_error"}
"""What OpenAI calls errors of a status; all others are ``invalid_request_error``."""


def install_error_handlers(api: FastAPI) -> None:
    """Have an application answer errors in their own words, and mistakes of ours in none."""

    @api.exception_handler(ScopeError)
    async def refused(_: Request, error: ScopeError) -> Response:
        return error_response(error)

    @api.exception_handler(HTTPException)
    async def failed(_: Request, error: HTTPException) -> Response:
        return openai_error(error.status_code, str(error.detail))

    @api.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return openai_error(500, "something went wrong here; the log of the Router says what")


def error_response(error: ScopeError) -> JSONResponse:
    """Return an error that is told to clients, in its own words."""
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
    """Return an error of the shape OpenAI's clients expect."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return JSONResponse(error_body(message, kind, code, param), status)
