"""What every request passes through, whatever its endpoint: paths, methods, origins, counts."""

from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.tracing import Span, Tracing

PREFIX = "/v1"
"""Prefix of the paths of OpenAI's API; clients whose base URL has none leave it out."""

ENDPOINTS = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "count_tokens",
    "/v1/responses": "responses",
    "/v1/route": "route",
    "/v1/feedback": "feedback",
    "/v1/models": "models",
    "/health": "health",
    "/ready": "ready",
}
"""Path -> label in metrics; all other paths are ``other``."""

MODEL_PATH = "/v1/models/"
"""What follows is the name of a model."""

AZURE = "/openai"
"""What the paths of Azure begin with."""

UNTRACED = ("health", "ready", "other")
"""Endpoints without traces: probes call the first two every few seconds, scanners the last."""

METHODS = ("GET", "HEAD", "POST")
KNOWN_METHODS = (*METHODS, "PUT", "PATCH", "DELETE", "OPTIONS")
"""Methods that traces name; a client may invent others."""

PREFLIGHT_S = 600
"""For how long a browser remembers what a page may do."""

EXPOSED_HEADERS = (
    "retry-after",
    "x-scope-cost-usd",
    "x-scope-decision-id",
    "x-scope-degraded",
    "x-scope-ignored",
    "x-scope-model",
    "x-scope-overhead-ms",
    "x-scope-p-correct",
    "x-scope-policy",
    "x-scope-source",
    "x-scope-strategy",
)
"""Headers of a response that scripts of a page of another origin can read."""


def endpoint_label(path: str) -> str:
    """Return the label of a path in metrics.

    Examples
    --------
    >>> endpoint_label("/v1/models/small"), endpoint_label("/models"), endpoint_label("/v2")
    ('models', 'models', 'other')
    """
    full = full_path(path)
    if full.startswith("/v1/deployments/") and full.endswith("/chat/completions"):
        return ENDPOINTS["/v1/chat/completions"]
    if full.startswith(MODEL_PATH):
        return ENDPOINTS["/v1/models"]
    return ENDPOINTS.get(full, "other")


def full_path(path: str) -> str:
    """Return a path with the prefix that a client may leave out."""
    return path if path.startswith(PREFIX) or path in ENDPOINTS else PREFIX + path


class PathMiddleware:
    """Answers HEAD as GET without the body, and a path with a slash at its end as without.

    Azure's clients put ``/openai`` before every path: it is left out. A redirect instead would name
    the address that this server sees, which behind a proxy is not the client's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].rstrip("/") or "/"
        if path.startswith(f"{AZURE}/"):
            path = path.removeprefix(AZURE)
        scope = {**scope, "path": path}
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if "body" in message else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


class CorsMiddleware:
    """Lets scripts of web pages call the endpoint, if the settings name their origin.

    Parameters
    ----------
    app : callable
    origins : callable
        Returns the origins of the settings in force; none: no page may.
    """

    def __init__(self, app: ASGIApp, origins: Callable[[], Sequence[str]]) -> None:
        self._app, self._origins = app, origins
        self._allowed: Sequence[str] = ()
        self._cors: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a preflight request is answered here, without a key."""
        origins = self._origins()
        if origins != self._allowed:
            self._allowed, self._cors = origins, self._make(origins)
        await self._cors(scope, receive, send)

    def _make(self, origins: Sequence[str]) -> ASGIApp:
        if not origins:
            return self._app
        return CORSMiddleware(
            self._app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=("*",),  # keys, and whatever else clients of OpenAI send
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_S,
        )


class MetricsMiddleware:
    """Counts responses by endpoint and status."""

    def __init__(self, app: ASGIApp, count_response: Callable[[str, int], None]) -> None:
        self._app, self._count_response = app, count_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count its response."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count_response(endpoint_label(scope["path"]), message["status"])
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)


class TracingMiddleware:
    """Makes a span of each request, from its arrival to the last byte of its response.

    Parameters
    ----------
    app : callable
    tracing : Tracing
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if (
            not self._tracing.is_on
            or scope["type"] != "http"
            or endpoint_label(scope["path"]) in UNTRACED
        ):
            await self._app(scope, receive, send)
            return
        with self._begin(scope).active() as span:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set({"http.response.status_code": message["status"]})
                    if message["status"] >= 500:
                        span.fail(str(message["status"]))
                await send(message)

            await self._app(scope, receive, noting)

    def _begin(self, scope: Scope) -> Span:
        path = full_path(scope["path"])
        route = f"{MODEL_PATH}{{name}}" if path.startswith(MODEL_PATH) else path
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "_OTHER"
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "url.path": scope["path"],
            "url.scheme": scope["scheme"],
        }
        return self._tracing.begin(f"{method} {route}", Headers(scope=scope), attributes)
