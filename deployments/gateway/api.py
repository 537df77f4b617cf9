"""The HTTP surface: plain FastAPI over a `Router`. Knows nothing of Ray."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.gateway.http_errors import install_error_handlers
from deployments.gateway.model_list import model_list
from deployments.gateway.request_context import RequestContext
from deployments.gateway.router import Router
from deployments.requests import ROUTE_BODIES, ChatBody, read_body
from deployments.upstream import UpstreamResponse, UpstreamStream


def one_of(*forms: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a body that has one of these forms."""
    return {"oneOf": [_inline_refs(form.model_json_schema()) for form in forms]}


def _inline_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its references filled in.

    They point at the root of a schema of their own, which inside OpenAPI's document is another.
    None of our models refers to itself, so that this ends.
    """
    definitions = schema.pop("$defs", {})

    def filled(node: Any) -> Any:  # noqa: ANN401 - a node of JSON
        if isinstance(node, list):
            return [filled(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            named = definitions[node["$ref"].rpartition("/")[2]]
            node = named | {name: value for name, value in node.items() if name != "$ref"}
        return {name: filled(value) for name, value in node.items()}

    whole: dict[str, Any] = filled(schema)
    return whole


ENDPOINTS = {
    "/v1/chat/completions": "chat",
    "/v1/route": "route",
    "/v1/models": "models",
    "/health": "health",
    "/ready": "ready",
}
"""What metrics call the paths; all others are ``other``."""


def make_api(router: Router) -> FastAPI:
    """Return the application over a router; the router ends with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await router.close()

    api = FastAPI(title="scope-router", docs_url=None, redoc_url=None, lifespan=lifespan)

    @api.post("/v1/chat/completions", openapi_extra=_openapi_body(ChatBody), response_model=None)
    async def chat(request: Request) -> Response:
        """Answer by the model that is worth its price; a model's own name insists on it."""
        exchange, body = await _admit(router, "chat", request)
        try:
            await router.chat(exchange, body, dict(request.headers))
            return _response(exchange)
        except BaseException:
            exchange.close()
            raise

    @api.post("/v1/route", openapi_extra=_openapi_body(*ROUTE_BODIES))
    async def route(request: Request) -> Response:
        """Decide for a chat, a prompt or a list of prompts, without calling any model."""
        exchange, body = await _admit(router, "route", request)
        try:
            asked = await router.route(exchange, body, dict(request.headers))
            told = [decision.to_json() for decision in exchange.decisions]
            content: Any = {"decisions": told} if asked.is_batch else told[0]
            return JSONResponse(content, headers=exchange.headers())
        finally:
            exchange.close()

    @api.get("/v1/models")
    async def models(request: Request) -> Response:
        """List `auto` and the pool."""
        exchange = await router.admit("models", request.headers.get("authorization"))
        exchange.close()
        return JSONResponse(model_list(exchange.current.models, router.started_at))

    @api.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @api.get("/ready")
    async def ready() -> Response:
        """Say whether decisions rest on all there is; 503 while they do not."""
        state = await router.readiness()
        return JSONResponse(state, 200 if state["status"] == "ready" else 503)

    install_error_handlers(api)
    api.add_middleware(MetricsMiddleware, told=router.record_response)
    return api


class MetricsMiddleware:
    """Counts requests by their endpoint and status."""

    def __init__(self, app: ASGIApp, told: Callable[[str, int], None]) -> None:
        self._app, self._told = app, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note with which status it is answered."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._told(ENDPOINTS.get(scope["path"], "other"), message["status"])
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)


class PassthroughStream(StreamingResponse):
    """A stream on its way through; its exchange ends with it, or with the client."""

    def __init__(self, exchange: RequestContext, stream: UpstreamStream) -> None:
        super().__init__(stream.chunks, headers=exchange.headers(), media_type="text/event-stream")
        self._exchange, self._stream = exchange, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it; whatever happens, hang up on the upstream then."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            try:
                await self._stream.chunks.aclose()
            finally:
                self._exchange.close()


async def _admit(router: Router, endpoint: str, request: Request) -> tuple[RequestContext, bytes]:
    """Admit a request by its headers, before a byte of its body is read."""
    exchange = await router.admit(endpoint, request.headers.get("authorization"))
    try:
        limit = exchange.current.settings.limits.max_body_bytes
        return exchange, await read_body(request.stream(), limit)
    except BaseException:
        exchange.close()
        raise


def _response(exchange: RequestContext) -> Response:
    answer = exchange.answer
    if isinstance(answer, UpstreamStream):
        return PassthroughStream(exchange, answer)
    assert isinstance(answer, UpstreamResponse)
    exchange.close()
    headers = {**exchange.headers(), **answer.headers}
    return Response(answer.content, answer.status, headers, "application/json")


def _openapi_body(*forms: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic models
    """Return the OpenAPI description of a body that is read by hand."""
    content = {"application/json": {"schema": one_of(*forms)}}
    return {"requestBody": {"content": content, "required": True}}
