"""Get an answer from the best model that gives one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from deployments.answers import Answer, Attempt, Stream
from deployments.asking import complete, stream
from deployments.calls import Call, Caller
from deployments.failures import DEADLINE, UNCALLED, error_answer, is_the_clients
from deployments.retries import RetrySettings, Trail, rounds
from deployments.upstreams import Upstream, Upstreams
from scope.endpoint import CallError
from scope.errors import ConfigError

Ask = Callable[[Caller, Upstream, Call], Awaitable[Answer | Stream]]


class Executor:
    """Asks upstreams, falls back from one to the next, and never says half a thing twice.

    Parameters
    ----------
    upstreams : Upstreams
    caller : Caller
        Entered.
    retries : RetrySettings
        May be exchanged at any time.
    """

    def __init__(self, upstreams: Upstreams, caller: Caller, retries: RetrySettings) -> None:
        self._upstreams, self._caller, self.retries = upstreams, caller, retries

    async def execute(
        self,
        body: Mapping[str, Any],
        models: Sequence[str],
        *,
        deadline_s: float,
        headers: Mapping[str, str],
    ) -> Answer | Stream:
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
            A `Stream` if ``stream`` is true and one began; every failure is an `Answer`.

        Raises
        ------
        UnknownModelError
            If none of the models has an upstream.
        ConfigError
            If no model is allowed.
        """
        if not models:
            raise ConfigError("no model is allowed to answer")
        candidates = self._upstreams.among(models)
        ask: Ask = stream if body.get("stream") else complete
        trail = Trail(body, headers, asyncio.get_running_loop().time() + deadline_s)
        try:
            async for again in rounds(self.retries, trail):
                with again:
                    answer = await self._round(candidates, ask, trail)
        except CallError as error:
            status, said, more = error_answer(error)
            answer = Answer(status, said, more, None, None, None)
        answer.attempts = tuple(trail.attempts)
        return answer

    async def _round(
        self, candidates: Sequence[Upstream], ask: Ask, trail: Trail
    ) -> Answer | Stream:
        """Go through the candidates; a call that failed says more than one that was not made."""
        failures: list[CallError] = []
        for upstream in candidates:
            try:
                return await self._attempt(upstream, ask, trail)
            except CallError as error:
                if is_the_clients(error) or error.kind == DEADLINE:
                    raise
                failures.append(error)
            if trail.calls >= self.retries.attempts:
                break
        called = [error for error in failures if error.kind not in UNCALLED]
        raise called[-1] if called else failures[0]

    async def _attempt(self, upstream: Upstream, ask: Ask, trail: Trail) -> Answer | Stream:
        call = trail.call()
        outcome = "cancelled"
        try:
            answer = await ask(self._caller, upstream, call)
            outcome = "ok"
        except CallError as error:
            outcome = error.kind
            raise
        finally:
            latency_s = call.left_s - trail.call().left_s
            trail.attempts.append(Attempt(upstream.name, outcome, latency_s))
        return answer
