"""The HTTP surface: plain FastAPI over a `Router`, without Ray."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.gateway.http_errors import install_error_handlers
from deployments.gateway.model_list import model_list
from deployments.gateway.request_context import RequestContext
from deployments.gateway.router import Router
from deployments.requests import ROUTE_BODIES, ChatRequest, FeedbackBody, read_body
from deployments.upstream import UpstreamResponse, UpstreamStream

ENDPOINTS = {
    "/v1/chat/completions": "chat",
    "/v1/route": "route",
    "/v1/feedback": "feedback",
    "/v1/models": "models",
    "/health": "health",
    "/ready": "ready",
}
"""Path -> label in metrics; all other paths are ``other``."""


def make_api(router: Router) -> FastAPI:
    """Return the application over a router, which it closes at shutdown."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await router.settings.close()

    api = FastAPI(title="scope-router", docs_url=None, redoc_url=None, lifespan=lifespan)
    api.state.router = router
    api.include_router(ROUTES)
    install_error_handlers(api)
    api.add_middleware(MetricsMiddleware, count_response=router.metrics.count_response)
    return api


def one_of(*bodies: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a body that satisfies one of these models."""
    return {"oneOf": [_inline_refs(body.model_json_schema()) for body in bodies]}


def _inline_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its references replaced by what they point at.

    A reference points at the root of its own schema, which is not the root of the OpenAPI
    document. No model of ours refers to itself, so the recursion ends.
    """
    definitions = schema.pop("$defs", {})

    def inlined(node: Any) -> Any:  # noqa: ANN401 - a node of JSON
        if isinstance(node, list):
            return [inlined(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target = definitions[node["$ref"].rpartition("/")[2]]
            node = target | {name: value for name, value in node.items() if name != "$ref"}
        return {name: inlined(value) for name, value in node.items()}

    result: dict[str, Any] = inlined(schema)
    return result


def _openapi_body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI description of a body that FastAPI does not parse."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"content": content, "required": True}}


ROUTES = APIRouter()


@ROUTES.post(
    "/v1/chat/completions", openapi_extra=_openapi_body(one_of(ChatRequest)), response_model=None
)
async def chat(request: Request) -> Response:
    """Answer with the model that is worth its price, or with the model that the client names."""
    context, body = await _admit("chat", request)
    try:
        await _router(request).chat(context, body, dict(request.headers))
        return _chat_response(context)
    except BaseException:
        context.close()
        raise


@ROUTES.post("/v1/route", openapi_extra=_openapi_body(one_of(*ROUTE_BODIES)))
async def route(request: Request) -> Response:
    """Decide for a chat, a prompt or a list of prompts, without calling a model."""
    context, body = await _admit("route", request)
    try:
        parsed = await _router(request).route(context, body, dict(request.headers))
        decisions = [decision.to_json() for decision in context.decisions]
        content: Any = {"decisions": decisions} if parsed.is_batch else decisions[0]
        return JSONResponse(content, headers=context.headers())
    finally:
        context.close()


@ROUTES.post("/v1/feedback", openapi_extra=_openapi_body(one_of(FeedbackBody)))
async def feedback(request: Request) -> Response:
    """Take the score of a decision; the first one counts."""
    context, raw = await _admit("feedback", request)
    try:
        body = FeedbackBody.parse(raw)
        receipt = await _router(request).feedback.submit(context.client, body)
        return JSONResponse({"decision_id": body.decision_id, **receipt._asdict()})
    finally:
        context.close()


@ROUTES.get("/v1/models")
async def models(request: Request) -> Response:
    """List `auto` and the pool."""
    router = _router(request)
    context = await router.admission.admit("models", request.headers.get("authorization"))
    context.close()
    return JSONResponse(model_list(context.current.models, router.started_at))


@ROUTES.get("/health")
async def health() -> dict[str, str]:
    """Return 200 while the process lives."""
    return {"status": "ok"}


@ROUTES.get("/ready")
async def ready(request: Request) -> Response:
    """Return the state of settings and replicas; 503 if decisions would be degraded."""
    state = await _router(request).readiness.state()
    return JSONResponse(state, 200 if state["status"] == "ready" else 503)


class MetricsMiddleware:
    """Counts responses by endpoint and status."""

    def __init__(self, app: ASGIApp, count_response: Callable[[str, int], None]) -> None:
        self._app, self._count_response = app, count_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count its response."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count_response(ENDPOINTS.get(scope["path"], "other"), message["status"])
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)


class PassthroughStream(StreamingResponse):
    """A stream of an upstream; its context closes with it, or when the client disconnects."""

    def __init__(self, context: RequestContext, stream: UpstreamStream) -> None:
        super().__init__(stream.chunks, headers=context.headers(), media_type="text/event-stream")
        self._context, self._stream = context, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, then close the connection to the upstream in any case."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            try:
                await self._stream.chunks.aclose()
            finally:
                self._context.close()


def _router(request: Request) -> Router:
    router: Router = request.app.state.router
    return router


async def _admit(endpoint: str, request: Request) -> tuple[RequestContext, bytes]:
    """Admit a request by its headers, then read its body."""
    authorization = request.headers.get("authorization")
    context = await _router(request).admission.admit(endpoint, authorization)
    try:
        limit = context.current.settings.limits.max_body_bytes
        return context, await read_body(request.stream(), limit)
    except BaseException:
        context.close()
        raise


def _chat_response(context: RequestContext) -> Response:
    answer = context.answer
    if isinstance(answer, UpstreamStream):
        return PassthroughStream(context, answer)
    assert isinstance(answer, UpstreamResponse)
    context.close()
    headers = {**context.headers(), **answer.headers}
    return Response(answer.content, answer.status, headers, "application/json")
