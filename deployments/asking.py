"""Ask one upstream for one answer, whole or as a stream."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from functools import partial

from deployments.answers import Answer, Stream, cost_usd, scope_field
from deployments.calls import Call, Caller, refused
from deployments.events import Events
from deployments.failures import error_event
from deployments.upstreams import Upstream
from scope.endpoint import CallError


async def complete(caller: Caller, upstream: Upstream, call: Call) -> Answer:
    """Return a whole answer.

    Raises
    ------
    CallError
        If the upstream gave none.
    """
    with upstream.slot():
        body = await caller.complete(upstream, call)
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else None
    body |= {"model": upstream.name, "scope": scope_field(upstream, usage)}
    return Answer(200, body, {}, upstream.name, usage, cost_usd(upstream, usage))


async def stream(caller: Caller, upstream: Upstream, call: Call) -> Stream:
    """Return a stream whose first event is there.

    Raises
    ------
    CallError
        If the upstream gave not even that.
    """
    options = call.body.get("stream_options") or {}
    show_usage = False
    if isinstance(options, dict):  # else the upstream says what is wrong with them
        show_usage = bool(options.get("include_usage"))
        options = {**options, "include_usage": True}
    call = replace(call, body={**call.body, "stream_options": options})
    events = Events(show_usage=show_usage, describe=partial(scope_field, upstream))
    answer = Stream(upstream.name)
    answer.chunks = _chunks(caller, upstream, call, events, answer)
    await anext(answer.chunks)
    return answer


async def _chunks(
    caller: Caller, upstream: Upstream, call: Call, events: Events, answer: Stream
) -> AsyncGenerator[bytes, None]:
    """Yield nothing once, when the first event is there; then all that the client gets.

    The first step is always taken, by `stream`: a generator that never began would not hang up
    when it is closed.
    """
    begun = False
    try:
        with upstream.slot():
            async with caller.stream(upstream, call) as (first, rest):
                async for block in _blocks(upstream, first, rest, events):
                    if not begun:
                        upstream.breaker.undecided()
                        begun = True
                        yield b""
                    yield upstream.clean_bytes(block)
    except CallError as error:
        if not begun:
            raise
        if not events.done:
            answer.error = error
            yield error_event(error, upstream.name)
    finally:
        answer.usage = events.usage
        answer.cost_usd = cost_usd(upstream, events.usage)


async def _blocks(
    upstream: Upstream, first: bytes, rest: AsyncIterator[bytes], events: Events
) -> AsyncGenerator[bytes, None]:
    """Yield the events that each chunk completes; an error among them is raised."""
    chunk = first
    while chunk:
        if block := events.feed(chunk):
            yield block
        if events.error is not None:
            raise refused(upstream, events.error)
        chunk = await anext(rest, b"")
    if block := events.finish():
        yield block
