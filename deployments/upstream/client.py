"""One call of one upstream: the only module of the endpoint that sends HTTP requests."""

import asyncio
import json
import logging
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx

from deployments.upstream.conversion import END, completion_events
from deployments.upstream.errors import DEADLINE
from deployments.upstream.upstreams import Upstream
from scope.upstream import (
    CONNECT_S,
    TIMEOUT,
    UpstreamError,
    holds_events,
    http_error,
    is_chunk,
    line_events,
    map_transport_error,
    open_transport,
    read_completion,
    redirect_words,
    retry_after_s,
)

log = logging.getLogger("ray.serve")

FORWARDED_HEADERS = ("idempotency-key", "x-request-id", "x-client-request-id")
"""Headers of the client that are sent to the upstream; its key and its cookies never are."""

MIN_START_BYTES = 6
"""Of a body, without white space: ``event:`` tells server-sent events from JSON."""

ReadEvents = Callable[[AsyncIterator[bytes]], AsyncGenerator[bytes, None]]
"""Maps the chunks of a stream to the blocks for the client, the first once the answer has begun."""


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
    show_usage : bool
        Whether a stream ends with its usage, even if the body does not ask for it.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    left_s: float
    show_usage: bool = False

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
                return _completion(upstream, await response.aread())

    @asynccontextmanager
    async def stream(
        self, upstream: Upstream, request: UpstreamRequest, read: ReadEvents
    ) -> AsyncIterator[tuple[bytes, AsyncIterator[bytes]]]:
        """Open a stream: the first block for the client, and the others as they arrive.

        A whole answer in place of a stream is sent as one. Leaving the block closes the
        connection.

        Parameters
        ----------
        upstream : Upstream
        request : UpstreamRequest
            Its time ends with the first block; after it only gaps between chunks are limited.
        read : callable
            Maps the chunks of server-sent events to the blocks for the client.

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
                    blocks = read(_event_chunks(upstream, response))
                    first = await anext(blocks, b"")
                yield first, blocks

    @asynccontextmanager
    async def _response(
        self, upstream: Upstream, request: UpstreamRequest, encoding: str
    ) -> AsyncIterator[httpx.Response]:
        headers = request.forwarded_headers()
        headers |= {"content-type": "application/json", "accept-encoding": encoding}
        if upstream.key:
            headers["authorization"] = f"Bearer {upstream.key}"
        url = f"{upstream.settings.base_url}/chat/completions"
        http_request = httpx.Request(
            "POST",
            url,
            content=json.dumps({**request.body, "model": upstream.model}).encode(),
            headers=headers,
            extensions={"timeout": {"connect": CONNECT_S, "read": upstream.settings.timeout_s}},
        )
        response = await self._transport.handle_async_request(http_request)
        try:
            if response.status_code != 200:
                # Text is UTF-8, as JSON is: a header may name an encoding that fails to decode.
                text = (await response.aread()).decode(errors="replace")
                if response.has_redirect_location:
                    text = redirect_words(url, response.headers["location"])
                    log.warning("upstream %s %s", upstream.name, upstream.without_key(text))
                retry_after = response.headers.get("retry-after")
                raise http_error(response.status_code, text, retry_after, upstream.redact)
            yield response
        except UpstreamError as error:  # it may be reported with status 200
            if error.wait_s is None:
                header = response.headers.get("retry-after")
                error.wait_s = retry_after_s(header, datetime.now(UTC))
            raise
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


async def _event_chunks(upstream: Upstream, response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the server-sent events of a stream; its body says what it is, not its content type.

    Upstreams send events as ``text/plain``, chunks as lines without ``data:``, and whole answers to
    those that asked for a stream.
    """
    chunks = response.aiter_bytes()
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start.lstrip()) >= MIN_START_BYTES:
            break
    if holds_events(start):
        yield start.removeprefix(BOM_UTF8)
        async for chunk in chunks:
            yield chunk
        return
    while b"\n" not in start.lstrip() and (chunk := await anext(chunks, b"")):
        start += chunk
    if is_chunk(start.lstrip().partition(b"\n")[0]):
        async for events in _line_events(start, chunks):
            yield events
        return
    rest = b"".join([chunk async for chunk in chunks])
    with read_completion(upstream.redact_bytes(start + rest), upstream.redact) as answer:
        answer["choices"][0]["message"]
        yield b"".join(completion_events(answer)) + END


async def _line_events(start: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks of an answer that a server writes as lines of JSON, as events."""
    rest = start
    while True:
        lines, newline, rest = rest.rpartition(b"\n")
        yield line_events(lines + newline)
        if not (chunk := await anext(chunks, b"")):
            yield line_events(rest)
            return
        rest += chunk


def _completion(upstream: Upstream, content: bytes) -> dict[str, Any]:
    with read_completion(upstream.redact_bytes(content), upstream.redact) as data:
        data["choices"][0]["message"]
        return dict(data)
