"""Ask one upstream for one answer, whole or as a stream."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from functools import partial

from deployments.answers import UpstreamResponse, UpstreamStream, cost_usd, scope_metadata
from deployments.calls import UpstreamClient, UpstreamRequest, error_from_body
from deployments.events import SSEPassthrough
from deployments.failures import error_event
from deployments.upstreams import Upstream
from scope.endpoint import UpstreamError


async def call_upstream(
    caller: UpstreamClient, upstream: Upstream, call: UpstreamRequest
) -> UpstreamResponse:
    """Return a whole answer.

    Raises
    ------
    UpstreamError
        If the upstream gave none.
    """
    with upstream.acquire():
        body = await caller.complete(upstream, call)
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else None
    body |= {"model": upstream.name, "scope": scope_metadata(upstream, usage)}
    return UpstreamResponse(200, body, {}, upstream.name, usage, cost_usd(upstream, usage))


async def stream_upstream(
    caller: UpstreamClient, upstream: Upstream, call: UpstreamRequest
) -> UpstreamStream:
    """Return a stream whose first event is there.

    Raises
    ------
    UpstreamError
        If the upstream gave not even that.
    """
    options = call.body.get("stream_options") or {}
    show_usage = False
    if isinstance(options, dict):  # else the upstream says what is wrong with them
        show_usage = bool(options.get("include_usage"))
        options = {**options, "include_usage": True}
    call = replace(call, body={**call.body, "stream_options": options})
    events = SSEPassthrough(show_usage=show_usage, describe=partial(scope_metadata, upstream))
    answer = UpstreamStream(upstream.name)
    answer.chunks = _chunks(caller, upstream, call, events, answer)
    await anext(answer.chunks)
    return answer


async def _chunks(
    caller: UpstreamClient,
    upstream: Upstream,
    call: UpstreamRequest,
    events: SSEPassthrough,
    answer: UpstreamStream,
) -> AsyncGenerator[bytes, None]:
    """Yield nothing once, when the first event is there; then all that the client gets.

    The first step is always taken, by `stream`: a generator that never began would not hang up
    when it is closed.
    """
    begun = False
    try:
        with upstream.acquire():
            async with caller.stream(upstream, call) as (first, rest):
                async for block in _event_blocks(upstream, first, rest, events):
                    if not begun:
                        upstream.breaker.release()
                        begun = True
                        yield b""
                    yield upstream.clean_bytes(block)
    except UpstreamError as error:
        if not begun:
            raise
        if not events.done:
            answer.error = error
            yield error_event(error, upstream.name)
    finally:
        answer.usage = events.usage
        answer.cost_usd = cost_usd(upstream, events.usage)


async def _event_blocks(
    upstream: Upstream, first: bytes, rest: AsyncIterator[bytes], events: SSEPassthrough
) -> AsyncGenerator[bytes, None]:
    """Yield the events that each chunk completes; an error among them is raised."""
    chunk = first
    while chunk:
        if block := events.feed(chunk):
            yield block
        if events.error is not None:
            raise error_from_body(upstream, events.error)
        chunk = await anext(rest, b"")
    if block := events.finish():
        yield block
