"""Get an answer from the best model that gives one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from deployments.answers import Attempt, UpstreamResponse, UpstreamStream
from deployments.asking import call_upstream, stream_upstream
from deployments.calls import UpstreamClient, UpstreamRequest
from deployments.failures import DEADLINE, NOT_ATTEMPTED, error_answer, is_client_error
from deployments.retries import AttemptHistory, RetrySettings, retry_rounds
from deployments.upstreams import Upstream, UpstreamRegistry
from scope.endpoint import UpstreamError
from scope.errors import ConfigError

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
            A `UpstreamStream` if ``stream`` is true and one began; every failure is an `UpstreamResponse`.

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
