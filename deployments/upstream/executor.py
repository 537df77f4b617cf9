"""Get an answer from the best model that gives one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from deployments.upstream.best_of_n import BestOfN
from deployments.upstream.client import UpstreamClient, UpstreamRequest
from deployments.upstream.errors import DEADLINE, error_answer, error_event
from deployments.upstream.responses import (
    Attempt,
    UpstreamResponse,
    UpstreamStream,
    cost_usd,
    scope_metadata,
)
from deployments.upstream.retries import AttemptHistory, RetrySettings
from deployments.upstream.samples import SamplingSettings, usage_of
from deployments.upstream.selection import SampleSelector
from deployments.upstream.sse import SSEPassthrough
from deployments.upstream.upstreams import ArmUpstream, UpstreamRegistry
from scope.errors import ConfigError
from scope.upstream import UpstreamError


async def call_upstream(
    client: UpstreamClient, arm: ArmUpstream, request: UpstreamRequest
) -> UpstreamResponse:
    """Return a whole answer.

    Raises
    ------
    UpstreamError
        If the call fails.
    """
    with arm.upstream.acquire():
        body = await client.complete(arm.upstream, request)
    usage = usage_of(body)
    body |= {"model": arm.name, "scope": scope_metadata(arm, usage)}
    return UpstreamResponse(200, body, {}, arm.name, usage, cost_usd(arm, usage))


async def stream_upstream(
    client: UpstreamClient, arm: ArmUpstream, request: UpstreamRequest
) -> UpstreamStream:
    """Return a stream whose first event has arrived.

    Raises
    ------
    UpstreamError
        If the call fails before the first event.
    """
    options = request.body.get("stream_options") or {}
    show_usage = False
    if isinstance(options, dict):  # otherwise the upstream reports the error
        show_usage = bool(options.get("include_usage"))
        options = {**options, "include_usage": True}
    request = replace(request, body={**request.body, "stream_options": options})
    events = SSEPassthrough(
        show_usage=show_usage,
        describe=partial(scope_metadata, arm),
        redact=arm.upstream.redact,
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
    """Yield an empty chunk once the first event has arrived, then all chunks for the client.

    `stream_upstream` always takes the first step: a generator that has not started would not
    close the connection when it is closed.
    """
    begun, upstream = False, arm.upstream
    try:
        with upstream.acquire():
            async with client.stream(upstream, request) as (first, rest):
                async for block in _event_blocks(first, rest, events):
                    if not begun:
                        upstream.breaker.release()
                        begun = True
                        yield b""
                    yield upstream.redact_bytes(block)
    except UpstreamError as error:
        if not begun:
            raise
        if not events.done:
            stream.error = error
            yield error_event(error, arm.name)
    finally:
        stream.usage = events.usage
        stream.cost_usd = cost_usd(arm, events.usage)


async def _event_blocks(
    first: bytes, rest: AsyncIterator[bytes], events: SSEPassthrough
) -> AsyncGenerator[bytes, None]:
    """Yield the events that each chunk completes; raise the error that one of them reports."""
    chunk = first
    while chunk:
        if block := events.feed(chunk):
            yield block
        if events.error is not None:
            raise events.error
        chunk = await anext(rest, b"")
    if block := events.finish():
        yield block


NO_REWARD_MODEL = SampleSelector()

UpstreamCall = Callable[
    [UpstreamClient, ArmUpstream, UpstreamRequest], Awaitable[UpstreamResponse | UpstreamStream]
]


class FallbackExecutor:
    """Calls upstreams and falls back from one to the next until the first byte is sent.

    Parameters
    ----------
    upstreams : UpstreamRegistry
    client : UpstreamClient
        Open.
    retries : RetrySettings
        May be replaced at any time.
    selector : SampleSelector, default=SampleSelector()
        Chooses the answer of an arm with several samples.

    Attributes
    ----------
    best_of_n : BestOfN
        Its settings may be replaced at any time.
    """

    def __init__(
        self,
        upstreams: UpstreamRegistry,
        client: UpstreamClient,
        retries: RetrySettings,
        selector: SampleSelector = NO_REWARD_MODEL,
    ) -> None:
        self._upstreams, self._client, self.retries = upstreams, client, retries
        self.best_of_n = BestOfN(client, selector, SamplingSettings())

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
            A chat-completions request without our own fields. It is sent unchanged except for
            ``model``, the ``reasoning_effort`` of an arm that has one and, in a stream,
            ``stream_options.include_usage``. Several samples differ in their ``seed``, if any.
        models : sequence of str
            The allowed arms, best first; in a stream each has one sample.
        deadline_s : float
            Time-out for a whole answer, or for the first byte of a stream. A stream that has
            begun continues as long as no gap between its chunks exceeds the model's ``timeout_s``.
        headers : mapping of str to str
            The client's, names in lower case; `FORWARDED_HEADERS` are sent to the upstream.

        Returns
        -------
        UpstreamResponse or UpstreamStream
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
        call: UpstreamCall = call_upstream
        if body.get("stream"):
            call = stream_upstream
            candidates = [arm for arm in candidates if arm.arm.n_samples == 1]
        history = AttemptHistory(body, headers, asyncio.get_running_loop().time() + deadline_s)
        rounds = self.retries.retrying(
            deadline_s=history.left_s, n_attempts=lambda: history.n_calls
        )
        response: UpstreamResponse | UpstreamStream
        try:
            async for one_round in rounds:
                with one_round:
                    response = await self._round(candidates, call, history)
        except UpstreamError as error:
            told = error if error.kind == DEADLINE else history.told_error()
            response = UpstreamResponse(*error_answer(told), None, None, None)
        response.attempts = tuple(history.attempts)
        return response

    async def _round(
        self, candidates: Sequence[ArmUpstream], call: UpstreamCall, history: AttemptHistory
    ) -> UpstreamResponse | UpstreamStream:
        """Call each candidate that may be called now, until one answers."""
        for arm in history.callable_arms(candidates):
            try:
                return await self._call(arm, call, history)
            except UpstreamError as error:
                if error.kind == DEADLINE:
                    raise
                history.record_failure(arm, error)
            if history.wrong_request() or history.n_calls >= self.retries.attempts:
                break
        raise history.round_error()

    async def _call(
        self, arm: ArmUpstream, call: UpstreamCall, history: AttemptHistory
    ) -> UpstreamResponse | UpstreamStream:
        """Attempt once, and at once again where the refusal names another word for a field."""
        try:
            return await self._attempt(arm, call, history)
        except UpstreamError as error:
            if not arm.upstream.learned.note(error.refusal):
                raise
        return await self._attempt(arm, call, history)

    async def _attempt(
        self, arm: ArmUpstream, call: UpstreamCall, history: AttemptHistory
    ) -> UpstreamResponse | UpstreamStream:
        request = history.request(arm)
        outcome, counts = "cancelled", None
        response: UpstreamResponse | UpstreamStream
        try:
            if arm.arm.n_samples > 1:
                drawn = await self.best_of_n.draw(arm, request)
                counts = drawn.counts
                response = await self.best_of_n.answer(arm, history.request(arm), drawn)
            else:
                response = await call(self._client, arm, request)
            outcome = "ok"
        except UpstreamError as error:
            outcome = error.kind
            raise
        finally:
            latency_s = request.left_s - history.left_s
            history.attempts.append(Attempt(arm.name, outcome, latency_s, counts))
        return response
