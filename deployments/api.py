"""The HTTP surface: plain FastAPI over a function that decides. Knows nothing of Ray."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from deployments.asks import ROUTE_FORMS, RouteRequest
from deployments.body import gathered
from deployments.refusals import (
    NoAccessError,
    NoSuchModelError,
    RefusedError,
    TooLargeError,
    TooManyError,
)
from deployments.schemas import one_of
from deployments.settings import Limits
from deployments.wishes import Wish
from scope.errors import ScopeError

STATUS: dict[type[ScopeError], int] = {
    NoAccessError: 401,
    NoSuchModelError: 404,
    TooLargeError: 413,
    TooManyError: 429,
}
"""Of errors; all others that are told to clients are 400."""

TYPES = {401: "authentication_error", 429: "rate_limit_error"}
"""What OpenAI calls errors of a status; all others are ``invalid_request_error``."""

Decide = Callable[[str, Wish], Awaitable[dict[str, Any]]]


def make_api(decide: Decide, limits: Callable[[], Limits] = Limits) -> FastAPI:
    """Return the application; `decide` answers every request within today's `limits`."""
    api = FastAPI(title="scope-router")
    content = {"application/json": {"schema": one_of(*ROUTE_FORMS)}}

    @api.post("/v1/route", openapi_extra={"requestBody": {"content": content, "required": True}})
    async def route(request: Request) -> dict[str, Any]:
        """Decide for a chat, a prompt or a list of prompts, without calling any model."""
        today = limits()
        body = RouteRequest.parse(await gathered(request.stream(), today.max_body_bytes), today)
        decisions = await asyncio.gather(*(decide(ask.text, ask.wish) for ask in body.asks))
        return {"decisions": decisions} if body.listed else decisions[0]

    @api.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @api.exception_handler(ScopeError)
    async def refused(_: Request, error: ScopeError) -> JSONResponse:
        return refusal(error)

    @api.exception_handler(HTTPException)
    async def failed(_: Request, error: HTTPException) -> JSONResponse:
        return failure(error.status_code, str(error.detail))

    return api


def refusal(error: ScopeError) -> JSONResponse:
    """Return an error that is told to clients, in its own words."""
    status = STATUS.get(type(error), 400)
    param, code = None, None
    if isinstance(error, RefusedError):
        param, code = error.param, error.code
    response = failure(status, str(error), param, code)
    if isinstance(error, TooManyError):
        response.headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, NoAccessError):
        response.headers["www-authenticate"] = "Bearer"
    return response


def failure(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> JSONResponse:
    """Return an error of the shape OpenAI's clients expect."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    error = {"message": message, "type": kind, "code": code, "param": param}
    return JSONResponse({"error": error}, status)
