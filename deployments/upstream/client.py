"""One call of one upstream: the only module of the endpoint that sends HTTP requests."""

import asyncio
import json
import logging
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx

from deployments.upstream.conversion import END, completion_events
from deployments.upstream.errors import DEADLINE
from deployments.upstream.upstreams import Upstream
from deployments.upstream_api import without_extensions
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
    redirect_words,
    retry_after_s,
)

log = logging.getLogger("ray.serve")

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
        Of a chat completion, without ``model``.
    headers : mapping of str to str
        All of the client's, names in lower case; those that the upstream's API names are sent.
    left_s : float
        Seconds until the deadline.
    is_translated : bool
        Whether the client speaks another API: a stream ends with its usage, and fields beyond
        OpenAI's are sent only to upstreams that are known to take them.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    left_s: float
    is_translated: bool = False

    def timeout_s(self, upstream: Upstream) -> float:
        """Return the time-out of a call of this upstream."""
        return min(self.left_s, upstream.settings.timeout_s)

    def call_body(self, upstream: Upstream) -> dict[str, Any]:
        """Return the body of a call, in words of the upstream's API.

        Raises
        ------
        UpstreamError
            ``not supported``: the API cannot say it.
        """
        chat = self.body
        if self.is_translated and not upstream.takes_extensions:
            chat = without_extensions(chat)
        if self.is_translated and (unknown := upstream.learned.unknown_hints):
            chat = {name: value for name, value in chat.items() if name not in unknown}
        return upstream.api.body(chat, upstream.model)

    def forwarded_headers(self, names: Sequence[str]) -> dict[str, str]:
        """Return the client's headers of these names; a value that no header has is left out."""
        headers = {name: self.headers[name] for name in names if name in self.headers}
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
                return upstream.api.read_answer(content, upstream.redact)

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
        api = upstream.api
        headers = api.headers(upstream.key) | request.forwarded_headers(api.forwarded)
        headers |= {"content-type": "application/json", "accept-encoding": encoding}
        url = upstream.settings.base_url + api.path
        http_request = httpx.Request(
            "POST",
            url,
            content=json.dumps(request.call_body(upstream)).encode(),
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
    """Yield the events of a chat completion; the body says what it is, not its content type.

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
        async for events in _translated(upstream, start.removeprefix(BOM_UTF8), chunks):
            yield events
        return
    while b"\n" not in start.lstrip() and (chunk := await anext(chunks, b"")):
        start += chunk
    if is_chunk(start.lstrip().partition(b"\n")[0]):
        async for events in _line_events(start, chunks):
            yield events
        return
    content = upstream.redact_bytes(start + b"".join([chunk async for chunk in chunks]))
    answer = upstream.api.read_answer(content, upstream.redact)
    yield b"".join(completion_events(answer)) + END


async def _translated(
    upstream: Upstream, start: bytes, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Yield the events of an upstream as those of a chat completion."""
    if upstream.api.translate_events is None:
        yield start
        async for chunk in chunks:
            yield chunk
        return
    events = upstream.api.translate_events()
    yield events.feed(start)
    async for chunk in chunks:
        yield events.feed(chunk)
    yield events.finish()


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
