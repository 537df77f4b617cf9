"""The HTTP surface: plain FastAPI over a `Router`, without Ray."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from deployments.gateway.http_errors import install_error_handlers
from deployments.gateway.middleware import (
    PREFIX,
    CorsMiddleware,
    MetricsMiddleware,
    PathMiddleware,
    TracingMiddleware,
)
from deployments.gateway.model_list import model_entry, model_list
from deployments.gateway.request_context import RequestContext
from deployments.gateway.router import Router
from deployments.gateway.surfaces import (
    COUNT_TOKENS,
    MESSAGES,
    RESPONSES,
    Surface,
    Translation,
    translated_events,
)
from deployments.messages_api import CountTokensBody, MessagesBody
from deployments.requests import (
    ROUTE_BODIES,
    ChatRequest,
    FeedbackBody,
    Requirements,
    parse_json_object,
    read_body,
)
from deployments.responses_api import ResponseBody
from deployments.settings import ActiveSettings
from deployments.tracing import current_span
from deployments.upstream import UpstreamResponse, UpstreamStream

UNBUFFERED = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
"""Headers of a stream: proxies pass every chunk on as it comes, and do not compress them."""


def make_api(router: Router) -> FastAPI:
    """Return the application over a router, which it closes at shutdown."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await router.settings.close()

    api = FastAPI(
        title="scope-router",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    api.state.router = router
    api.include_router(STATE)
    api.include_router(V1, prefix=PREFIX)
    api.include_router(V1, include_in_schema=False)
    install_error_handlers(api)
    api.add_middleware(CorsMiddleware, origins=router.settings.allowed_origins)
    api.add_middleware(MetricsMiddleware, count_response=router.metrics.count_response)
    api.add_middleware(TracingMiddleware, tracing=router.tracing)
    api.add_middleware(PathMiddleware)  # the last one added is the first that a request passes
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


STATE = APIRouter()
"""State of the process."""

V1 = APIRouter()
"""Paths below `PREFIX`, which a client may leave out."""


@V1.post("/deployments/{model:path}/chat/completions", response_model=None, include_in_schema=False)
@V1.post("/chat/completions", openapi_extra=_openapi_body(one_of(ChatRequest)), response_model=None)
async def chat(request: Request) -> Response:
    """Answer with the model that is worth its price, or with the model that the client names.

    Azure's clients name it in the path, which counts there whatever the body says.
    """
    context, body = await _admit("chat", request)
    try:
        chat_body = parse_json_object(body) | request.path_params
        await _router(request).chat(context, chat_body, dict(request.headers))
        return _chat_response(context)
    except BaseException:
        context.close()
        raise


async def translated(request: Request, surface: Surface) -> Response:
    """Answer a request in another API than chat completions as `chat` does."""
    context, body = await _admit(surface.endpoint, request)
    try:
        translation = surface.translate(parse_json_object(body))
        headers = dict(request.headers)
        await _router(request).chat(context, translation.chat, headers, is_translated=True)
        return _translated_response(context, surface, translation)
    except BaseException:
        context.close()
        raise


@V1.post("/messages", openapi_extra=_openapi_body(one_of(MessagesBody)), response_model=None)
async def messages(request: Request) -> Response:
    """Answer a request of Anthropic's Messages API, whatever the upstream speaks."""
    return await translated(request, MESSAGES)


@V1.post("/messages/count_tokens", openapi_extra=_openapi_body(one_of(CountTokensBody)))
async def count_tokens(request: Request) -> Response:
    """Estimate the tokens of a request of Anthropic's Messages API, on the high side."""
    context, body = await _admit(COUNT_TOKENS.endpoint, request)
    try:
        translation = COUNT_TOKENS.translate(parse_json_object(body))
        chat = ChatRequest.from_json(translation.chat, context.current.settings.limits)
        return JSONResponse({"input_tokens": Requirements.from_chat(chat).prompt_tokens})
    finally:
        context.close()


@V1.post("/responses", openapi_extra=_openapi_body(one_of(ResponseBody)), response_model=None)
async def responses(request: Request) -> Response:
    """Answer in the format of OpenAI's Responses API."""
    return await translated(request, RESPONSES)


@V1.post("/route", openapi_extra=_openapi_body(one_of(*ROUTE_BODIES)))
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


@V1.post("/feedback", openapi_extra=_openapi_body(one_of(FeedbackBody)))
async def feedback(request: Request) -> Response:
    """Take the score of a decision; the first one counts."""
    context, raw = await _admit("feedback", request)
    try:
        body = FeedbackBody.parse(raw, request.headers)
        receipt = await _router(request).feedback.submit(context.client, body)
        return JSONResponse({"decision_id": body.decision_id, **receipt._asdict()})
    finally:
        context.close()


@V1.get("/models")
async def models(request: Request) -> Response:
    """List `auto` and the pool."""
    current, started_at = await _admit_to_models(request)
    limits = _router(request).decider.limits
    return JSONResponse(model_list(current.models, started_at, limits))


@V1.get("/models/{name:path}")
async def model(request: Request, name: str) -> Response:
    """Describe `auto`, a model of the pool, or several samples of one."""
    current, started_at = await _admit_to_models(request)
    limits = _router(request).decider.limits
    return JSONResponse(model_entry(name, current, started_at, limits))


@STATE.get("/health")
async def health() -> dict[str, str]:
    """Return 200 while the process lives."""
    return {"status": "ok"}


@STATE.get("/ready")
async def ready(request: Request) -> Response:
    """Return the state of settings and replicas; 503 if decisions would be degraded."""
    state = await _router(request).readiness.state()
    return JSONResponse(state, 200 if state["status"] == "ready" else 503)


class EventStream(StreamingResponse):
    """A stream of an upstream; its context closes with it, or when the client disconnects.

    Parameters
    ----------
    context : RequestContext
    stream : UpstreamStream
    events : async generator of bytes
        What the client gets of the chunks of `stream`.
    headers : mapping of str to str
    """

    def __init__(
        self,
        context: RequestContext,
        stream: UpstreamStream,
        events: AsyncGenerator[bytes, None],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(events, headers={**headers, **UNBUFFERED}, media_type="text/event-stream")
        self._context, self._stream, self._events = context, stream, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, then close the connection to the upstream in any case."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            try:
                await self._events.aclose()
                await self._stream.chunks.aclose()
            finally:
                if self._stream.error is not None:
                    current_span().fail(self._stream.error.kind)
                self._context.close()


def _router(request: Request) -> Router:
    router: Router = request.app.state.router
    return router


async def _admit(endpoint: str, request: Request) -> tuple[RequestContext, bytes]:
    """Admit a request by its headers, then read its body."""
    context = await _router(request).admission.admit(endpoint, request.headers)
    try:
        limit = context.current.settings.limits.max_body_bytes
        encoding = request.headers.get("content-encoding")
        return context, await read_body(request.stream(), limit, encoding)
    except BaseException:
        context.close()
        raise


async def _admit_to_models(request: Request) -> tuple[ActiveSettings, int]:
    """Admit a request for models; return the settings and when the replica started."""
    router = _router(request)
    context = await router.admission.admit("models", request.headers)
    context.close()
    return context.current, router.started_at


def _chat_response(context: RequestContext) -> Response:
    answer = context.answer
    if isinstance(answer, UpstreamStream):
        return EventStream(context, answer, answer.chunks, context.headers())
    assert isinstance(answer, UpstreamResponse)
    context.close()
    headers = {**context.headers(), **answer.headers}
    return Response(answer.content, answer.status, headers, "application/json")


def _translated_response(
    context: RequestContext, surface: Surface, translation: Translation
) -> Response:
    answer, headers = context.answer, context.headers()
    if translation.ignored:
        headers["x-scope-ignored"] = ", ".join(translation.ignored)
    if isinstance(answer, UpstreamStream):
        events = translated_events(answer.chunks, translation.stream())
        return EventStream(context, answer, events, headers)
    assert isinstance(answer, UpstreamResponse)
    context.close()
    if answer.status == 200:
        body = translation.answer(answer.body)
    else:
        body = surface.error_body(answer.status, answer.body["error"])
    # In ASCII: a truncated answer may end in half a character.
    content = json.dumps(body).encode()
    headers |= answer.headers
    return Response(content, answer.status, headers, "application/json")
