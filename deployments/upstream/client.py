"""One call of one upstream: the only module of the endpoint that sends HTTP requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from deployments.upstream.errors import DEADLINE
from deployments.upstream.upstreams import Upstream
from scope.upstream import (
    CONNECT_S,
    GARBAGE,
    TIMEOUT,
    UpstreamError,
    http_error,
    map_transport_error,
    one_line,
    open_transport,
    read_completion,
)

FORWARDED_HEADERS = ("idempotency-key", "x-request-id", "x-client-request-id")
"""Headers of the client that are sent to the upstream; its key and its cookies never are."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A chat-completions request for any upstream.

    Attributes
    ----------
    body : mapping
        Of the upstream's request, without ``model``.
    headers : mapping of str to str
        All of the client's, names in lower case; `FORWARDED_HEADERS` are sent.
    left_s : float
        Seconds until the deadline.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    left_s: float

    def timeout_s(self, upstream: Upstream) -> float:
        """Return the time-out of a call of this upstream."""
        return min(self.left_s, upstream.settings.timeout_s)

    def forwarded_headers(self) -> dict[str, str]:
        """Return the headers to send; a value that is not allowed in a header is left out."""
        headers = {name: self.headers[name] for name in FORWARDED_HEADERS if name in self.headers}
        return {
            name: value
            for name, value in headers.items()
            if value.isascii() and value.isprintable()
        }


class UpstreamClient:
    """Pooled connections to all upstreams; use it as ``async with UpstreamClient() as client``."""

    async def __aenter__(self) -> Self:
        self._transport = open_transport(connections=0)  # the upstreams limit their own calls
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def complete(self, upstream: Upstream, request: UpstreamRequest) -> dict[str, Any]:
        """Return the upstream's chat completion.

        Raises
        ------
        UpstreamError
        """
        with _map_errors(upstream, request):
            async with (
                asyncio.timeout(request.timeout_s(upstream)),
                self._response(upstream, request, "gzip, deflate") as response,
            ):
                content = upstream.redact_bytes(await response.aread())
        return _completion(upstream, content)

    @asynccontextmanager
    async def stream(
        self, upstream: Upstream, request: UpstreamRequest
    ) -> AsyncIterator[tuple[bytes, AsyncIterator[bytes]]]:
        """Open a stream: its first chunk, and the others as they arrive.

        Leaving the block closes the connection.

        Raises
        ------
        UpstreamError
            On opening it or in the block.
        """
        with _map_errors(upstream, request):
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(request.timeout_s(upstream)):
                    opening = self._response(upstream, request, "identity")
                    response = await stack.enter_async_context(opening)
                    content_type = response.headers.get("content-type", "").lower()
                    if not content_type.startswith("text/event-stream"):
                        _completion(upstream, upstream.redact_bytes(await response.aread()))
                        raise UpstreamError(
                            GARBAGE, f"expected events, got {one_line(content_type)!r}"
                        )
                    chunks = response.aiter_bytes()
                    first = await anext(chunks, b"")
                yield first, chunks

    @asynccontextmanager
    async def _response(
        self, upstream: Upstream, request: UpstreamRequest, encoding: str
    ) -> AsyncIterator[httpx.Response]:
        headers = request.forwarded_headers()
        headers |= {"content-type": "application/json", "accept-encoding": encoding}
        if upstream.key:
            headers["authorization"] = f"Bearer {upstream.key}"
        http_request = httpx.Request(
            "POST",
            f"{upstream.settings.base_url}/chat/completions",
            content=json.dumps({**request.body, "model": upstream.model}).encode(),
            headers=headers,
            extensions={"timeout": {"connect": CONNECT_S, "read": upstream.settings.timeout_s}},
        )
        response = await self._transport.handle_async_request(http_request)
        try:
            if response.status_code != 200:
                await response.aread()
                retry_after = response.headers.get("retry-after")
                raise http_error(response.status_code, response.text, retry_after, upstream.redact)
            yield response
        finally:
            await response.aclose()


@contextmanager
def _map_errors(upstream: Upstream, request: UpstreamRequest) -> Iterator[None]:
    """Map exceptions of the transport to `UpstreamError`, without addresses or keys."""
    try:
        yield
    except (httpx.HTTPError, OSError) as error:
        mapped = map_transport_error(error, upstream.settings.timeout_s)
        if isinstance(error, TimeoutError) and request.left_s <= upstream.settings.timeout_s:
            raise UpstreamError(DEADLINE, f"{request.left_s:.2g} s were left") from error
        if mapped.kind == TIMEOUT:
            raise mapped from error
        raise UpstreamError(mapped.kind, type(error.__cause__ or error).__name__) from error


def _completion(upstream: Upstream, content: bytes) -> dict[str, Any]:
    with read_completion(content, upstream.redact) as data:
        data["choices"][0]["message"]
        return dict(data)
