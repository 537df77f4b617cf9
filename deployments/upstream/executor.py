"""Get an answer from the best model that gives one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from deployments.upstream.client import UpstreamClient, UpstreamRequest, error_from_body
from deployments.upstream.errors import (
    DEADLINE,
    NOT_ATTEMPTED,
    error_answer,
    error_event,
    is_client_error,
)
from deployments.upstream.responses import (
    Attempt,
    UpstreamResponse,
    UpstreamStream,
    cost_usd,
    scope_metadata,
)
from deployments.upstream.retries import AttemptHistory, RetrySettings, retry_rounds
from deployments.upstream.sse import SSEPassthrough
from deployments.upstream.upstreams import Upstream, UpstreamRegistry
from scope.errors import ConfigError
from scope.upstream import UpstreamError


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


UpstreamCall = Callable[
    [UpstreamClient, Upstream, UpstreamRequest], Awaitable[UpstreamResponse | UpstreamStream]
]


class FallbackExecutor:
    """Asks upstreams, falls back from one to the next, and never says half a thing twice.

    Parameters
    ----------
    upstreams : UpstreamRegistry
    caller : UpstreamClient
        Entered.
    retries : RetrySettings
        May be exchanged at any time.
    """

    def __init__(
        self, upstreams: UpstreamRegistry, caller: UpstreamClient, retries: RetrySettings
    ) -> None:
        self._upstreams, self._caller, self.retries = upstreams, caller, retries

    async def execute(
        self,
        body: Mapping[str, Any],
        models: Sequence[str],
        *,
        deadline_s: float,
        headers: Mapping[str, str],
    ) -> UpstreamResponse | UpstreamStream:
        """Return the answer of the first of `models` that gives one.

        Parameters
        ----------
        body : mapping
            A chat-completions request without our own fields. It goes to the upstream as it is,
            but for ``model`` and, in a stream, ``stream_options.include_usage``.
        models : sequence of str
            The allowed ones, best first.
        deadline_s : float
            Until a whole answer, or the first byte of a stream, must be there. A stream that has
            begun lives on as long as no gap between its chunks exceeds the model's ``timeout_s``.
        headers : mapping of str to str
            The client's, names in lower case; `calls.PASSED_ON` go to the upstream.

        Returns
        -------
        Answer or Stream
            An `UpstreamStream` if ``stream`` is true and one began; every failure is an
            `UpstreamResponse`.

        Raises
        ------
        UnknownModelError
            If none of the models has an upstream.
        ConfigError
            If no model is allowed.
        """
        if not models:
            raise ConfigError("no model is allowed to answer")
        candidates = self._upstreams.select(models)
        ask: UpstreamCall = stream_upstream if body.get("stream") else call_upstream
        trail = AttemptHistory(body, headers, asyncio.get_running_loop().time() + deadline_s)
        try:
            async for again in retry_rounds(self.retries, trail):
                with again:
                    answer = await self._round(candidates, ask, trail)
        except UpstreamError as error:
            status, said, more = error_answer(error)
            answer = UpstreamResponse(status, said, more, None, None, None)
        answer.attempts = tuple(trail.attempts)
        return answer

    async def _round(
        self, candidates: Sequence[Upstream], ask: UpstreamCall, trail: AttemptHistory
    ) -> UpstreamResponse | UpstreamStream:
        """Go through the candidates; a call that failed says more than one that was not made."""
        failures: list[UpstreamError] = []
        for upstream in candidates:
            try:
                return await self._attempt(upstream, ask, trail)
            except UpstreamError as error:
                if is_client_error(error) or error.kind == DEADLINE:
                    raise
                failures.append(error)
            if trail.calls >= self.retries.attempts:
                break
        called = [error for error in failures if error.kind not in NOT_ATTEMPTED]
        raise called[-1] if called else failures[0]

    async def _attempt(
        self, upstream: Upstream, ask: UpstreamCall, trail: AttemptHistory
    ) -> UpstreamResponse | UpstreamStream:
        call = trail.call()
        outcome = "cancelled"
        try:
            answer = await ask(self._caller, upstream, call)
            outcome = "ok"
        except UpstreamError as error:
            outcome = error.kind
            raise
        finally:
            latency_s = call.left_s - trail.call().left_s
            trail.attempts.append(Attempt(upstream.name, outcome, latency_s))
        return answer
