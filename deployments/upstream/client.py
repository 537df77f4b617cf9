"""One call to one upstream: the only module of the replicas that speaks HTTP as a client."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from deployments.upstream.errors import DEADLINE, UpstreamStatusError, error_body
from deployments.upstream.upstreams import Upstream
from scope.upstream import (
    CONNECT_S,
    MAX_ERROR_CHARS,
    UpstreamError,
    map_transport_error,
    open_transport,
    retry_after_s,
)

FORWARDED_HEADERS = ("idempotency-key", "x-request-id", "x-client-request-id")
"""Headers of the client that the upstream gets, too; never its key, nor its cookies."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """What is asked.

    Attributes
    ----------
    body : mapping
        Of the upstream's request but for ``model``.
    headers : mapping of str to str
        All of the client's, names in lower case; `PASSED_ON` are.
    left_s : float
        Until the deadline.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    left_s: float

    def limit_s(self, upstream: Upstream) -> float:
        """Return how long this upstream has."""
        return min(self.left_s, upstream.settings.timeout_s)

    def forwarded_headers(self) -> dict[str, str]:
        """Return the headers that go to the upstream; one that no header may carry does not."""
        told = {name: self.headers[name] for name in FORWARDED_HEADERS if name in self.headers}
        return {
            name: value for name, value in told.items() if value.isascii() and value.isprintable()
        }


class UpstreamClient:
    """Pooled connections to all upstreams; use it as ``async with Caller() as caller``."""

    async def __aenter__(self) -> Self:
        self._transport = open_transport(connections=0)  # bounded by the upstreams' places
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def complete(self, upstream: Upstream, call: UpstreamRequest) -> dict[str, Any]:
        """Return the upstream's chat completion.

        Raises
        ------
        UpstreamError
            Whatever went wrong.
        """
        with _map_errors(upstream, call):
            async with (
                asyncio.timeout(call.limit_s(upstream)),
                self._response(upstream, call, "gzip, deflate") as response,
            ):
                content = upstream.clean_bytes(await response.aread())
        return _completion(upstream, content)

    @asynccontextmanager
    async def stream(
        self, upstream: Upstream, call: UpstreamRequest
    ) -> AsyncIterator[tuple[bytes, AsyncIterator[bytes]]]:
        """Open a stream: its first chunk, and the others as the network brings them.

        Leaving the block closes the connection, whatever is still under way on it.

        Raises
        ------
        UpstreamError
            Whatever went wrong, in opening it or later.
        """
        with _map_errors(upstream, call):
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(call.limit_s(upstream)):
                    opening = self._response(upstream, call, "identity")
                    response = await stack.enter_async_context(opening)
                    kind = response.headers.get("content-type", "").lower()
                    if not kind.startswith("text/event-stream"):
                        _completion(upstream, upstream.clean_bytes(await response.aread()))
                        raise UpstreamError(
                            "garbage", f"expected events, got {kind[:MAX_ERROR_CHARS]!r}"
                        )
                    chunks = response.aiter_bytes()
                    first = await anext(chunks, b"")
                yield first, chunks

    @asynccontextmanager
    async def _response(
        self, upstream: Upstream, call: UpstreamRequest, encoding: str
    ) -> AsyncIterator[httpx.Response]:
        headers = call.forwarded_headers()
        headers |= {"content-type": "application/json", "accept-encoding": encoding}
        if upstream.key:
            headers["authorization"] = f"Bearer {upstream.key}"
        request = httpx.Request(
            "POST",
            f"{upstream.settings.base_url}/chat/completions",
            content=json.dumps({**call.body, "model": upstream.model}).encode(),
            headers=headers,
            extensions={"timeout": {"connect": CONNECT_S, "read": upstream.settings.timeout_s}},
        )
        response = await self._transport.handle_async_request(request)
        try:
            if response.status_code != 200:
                await response.aread()
                raise _http_error(upstream, response)
            yield response
        finally:
            await response.aclose()


@contextmanager
def _map_errors(upstream: Upstream, call: UpstreamRequest) -> Iterator[None]:
    """Turn what the transport raises into `UpstreamError`, without addresses or keys in it."""
    try:
        yield
    except (httpx.HTTPError, OSError) as error:
        named = map_transport_error(error, upstream.settings.timeout_s)
        if isinstance(error, TimeoutError) and call.left_s <= upstream.settings.timeout_s:
            raise UpstreamError(DEADLINE, f"{call.left_s:.2g} s were left") from error
        if named.kind == "timeout":
            raise named from error
        raise UpstreamError(named.kind, type(error.__cause__ or error).__name__) from error


def _http_error(upstream: Upstream, response: httpx.Response) -> UpstreamStatusError:
    text = upstream.redact(response.text)
    try:
        body = json.loads(text)
        message = body["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        message = " ".join(text.split())[:MAX_ERROR_CHARS]
        body = error_body(message, "invalid_request_error")
    status = response.status_code
    refusal = UpstreamStatusError(status, " ".join(str(message).split())[:MAX_ERROR_CHARS], body)
    refusal.wait_s = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
    return refusal


def error_from_body(upstream: Upstream, error: Mapping[str, Any]) -> UpstreamStatusError:
    """Return the error that came with status 200, as OpenRouter's do, or in a stream."""
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    body = json.loads(upstream.redact(json.dumps({"error": error})))
    return UpstreamStatusError(status, str(body["error"].get("message"))[:MAX_ERROR_CHARS], body)


def _completion(upstream: Upstream, content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
        if "choices" not in data and isinstance(data.get("error"), dict):
            raise error_from_body(upstream, data["error"])
        data["choices"][0]["message"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        start = upstream.redact(content[:MAX_ERROR_CHARS].decode(errors="replace"))
        raise UpstreamError("garbage", f"expected a chat completion, got {start!r}") from error
    return dict(data)
