"""One answer of one model: whole, or as a stream."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from deployments.tracing import error_type
from deployments.upstream.call_spans import begin_call, end_stream, set_answer, within_trace
from deployments.upstream.client import UpstreamClient, UpstreamRequest
from deployments.upstream.errors import error_event
from deployments.upstream.responses import (
    UpstreamResponse,
    UpstreamStream,
    cost_usd,
    scope_metadata,
)
from deployments.upstream.samples import usage_of
from deployments.upstream.sse import SSEPassthrough
from deployments.upstream.upstreams import ArmUpstream, Upstream
from scope.upstream import UpstreamError

log = logging.getLogger("ray.serve")


async def complete(
    client: UpstreamClient, arm: ArmUpstream, request: UpstreamRequest
) -> dict[str, Any]:
    """Return a chat completion as the upstream sent it; the call holds one of its slots.

    Raises
    ------
    UpstreamError
        If the call fails.
    """
    with begin_call(arm, request).active() as call:
        with arm.upstream.acquire():
            body = await client.complete(arm.upstream, within_trace(request, call))
        set_answer(call, body, cost_usd(arm, usage_of(body)))
    return body


async def call_upstream(
    client: UpstreamClient, arm: ArmUpstream, request: UpstreamRequest
) -> UpstreamResponse:
    """Return a whole answer.

    Raises
    ------
    UpstreamError
        If the call fails.
    """
    body = await complete(client, arm, request)
    usage = usage_of(body)
    body |= {"model": arm.name, "scope": scope_metadata(arm, usage)}
    return UpstreamResponse(200, body, {}, arm.name, usage, cost_usd(arm, usage))


async def stream_upstream(
    client: UpstreamClient, arm: ArmUpstream, request: UpstreamRequest
) -> UpstreamStream:
    """Return a stream whose answer has begun.

    Raises
    ------
    UpstreamError
        If the call fails before the answer begins.
    """
    began_at, call = time.perf_counter(), begin_call(arm, request)
    try:
        stream = await _open_stream(client, arm, within_trace(request, call))
    except BaseException as error:
        call.fail(error_type(error))
        call.end()
        raise
    call.set({"gen_ai.response.time_to_first_chunk": time.perf_counter() - began_at})
    stream.span = call
    return stream


async def _open_stream(
    client: UpstreamClient, arm: ArmUpstream, request: UpstreamRequest
) -> UpstreamStream:
    """Return a stream whose answer has begun.

    The usage is requested, too, unless the upstream is known to refuse that field; one that
    refuses it now is called again without.

    Raises
    ------
    UpstreamError
        If the call fails before the answer begins.
    """
    clock = asyncio.get_running_loop().time
    began_at, upstream, asked = clock(), arm.upstream, asks_for_usage(request.body)
    wanted = asked or request.is_translated
    asking = replace(request, body=request.body if asked else with_usage(request.body))
    if not upstream.requests_stream_usage or asking.body == request.body:
        return await _begin_stream(client, arm, request, show_usage=wanted)
    try:
        stream = await _begin_stream(client, arm, asking, show_usage=wanted)
    except UpstreamError as error:
        if not _may_be_about_usage(error, upstream):
            raise
    else:
        upstream.takes_stream_usage = True
        return stream
    again = replace(request, left_s=request.left_s - (clock() - began_at))
    stream = await _begin_stream(client, arm, again, show_usage=wanted)
    upstream.takes_stream_usage = False
    log.warning(
        "upstream %s refuses stream_options.include_usage, and is no longer sent it; the cost of "
        "its streams may be unknown; `stream_usage: never` spares this question after a restart",
        upstream.name,
    )
    return stream


def asks_for_usage(body: Mapping[str, Any]) -> bool:
    """Return whether a request asks for the usage at the end of its stream."""
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def with_usage(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request that asks for the usage at the end of its stream."""
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):  # the upstream reports the error
        return body
    return {**body, "stream_options": {**options, "include_usage": True}}


def _may_be_about_usage(error: UpstreamError, upstream: Upstream) -> bool:
    """Return whether a refusal may be about the field that we added.

    It names the field, or nothing that the model lacks, and the upstream has not taken the field
    before.
    """
    if error.status not in (400, 422) or upstream.settings.stream_usage == "always":
        return False
    if error.refusal is not None and error.refusal.kind != "parameter":
        return False
    field = (error.body or {}).get("error", {}).get("param")
    if any(name in f"{field} {error.message}" for name in ("stream_options", "include_usage")):
        return True
    return field is None and upstream.takes_stream_usage is None


async def _begin_stream(
    client: UpstreamClient, arm: ArmUpstream, request: UpstreamRequest, *, show_usage: bool
) -> UpstreamStream:
    n_choices = request.body.get("n")
    events = SSEPassthrough(
        model=arm.name,
        show_usage=show_usage,
        describe=partial(scope_metadata, arm),
        redact=arm.upstream.redact,
        n_choices=n_choices if isinstance(n_choices, int) else 1,
    )
    stream = UpstreamStream(arm.name)
    stream.chunks = _chunks(client, arm, request, events, stream)
    await anext(stream.chunks)
    return stream


async def _chunks(
    client: UpstreamClient,
    arm: ArmUpstream,
    request: UpstreamRequest,
    events: SSEPassthrough,
    stream: UpstreamStream,
) -> AsyncGenerator[bytes, None]:
    """Yield an empty chunk once the answer has begun, then all chunks for the client.

    `_begin_stream` always takes the first step: a generator that has not started would not close
    the connection when it is closed.
    """
    begun, upstream = False, arm.upstream
    try:
        with upstream.acquire():
            read = partial(_event_blocks, events)
            async with client.stream(upstream, request, read) as (first, blocks):
                upstream.breaker.release()
                begun = True
                yield b""
                if first:
                    yield stream.keep(upstream.redact_bytes(first))
                async for block in blocks:
                    yield stream.keep(upstream.redact_bytes(block))
    except (asyncio.CancelledError, GeneratorExit) as error:
        stream.span.fail(error_type(error))
        raise
    except UpstreamError as error:
        if not begun:
            raise
        if not events.done:
            stream.error = error
            stream.span.fail(error.kind)
            yield error_event(error, arm.name)
    finally:
        stream.usage = events.usage
        stream.cost_usd = cost_usd(arm, events.usage)
        end_stream(stream, events)


async def _event_blocks(
    events: SSEPassthrough, chunks: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """Yield the events that each chunk completes; raise the failure that one of them reports."""
    async for chunk in chunks:
        if block := events.feed(chunk):
            yield block
        if events.error is not None:
            raise events.error
    if block := events.finish():
        yield block
    if events.error is not None:
        raise events.error
