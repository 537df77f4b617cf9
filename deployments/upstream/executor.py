"""Get an answer from the best model that gives one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from deployments.tracing import span
from deployments.upstream.best_of_n import BestOfN
from deployments.upstream.calls import call_upstream, stream_upstream
from deployments.upstream.client import UpstreamClient, UpstreamRequest
from deployments.upstream.errors import DEADLINE, error_answer
from deployments.upstream.responses import Attempt, UpstreamResponse, UpstreamStream
from deployments.upstream.retries import AttemptHistory, RetrySettings
from deployments.upstream.samples import SamplingSettings
from deployments.upstream.selection import SampleSelector
from deployments.upstream.upstreams import ArmUpstream, UpstreamRegistry
from scope.errors import ConfigError
from scope.upstream import UpstreamError

NO_REWARD_MODEL = SampleSelector()

UpstreamCall = Callable[
    [UpstreamClient, ArmUpstream, UpstreamRequest], Awaitable[UpstreamResponse | UpstreamStream]
]


class FallbackExecutor:
    """Calls upstreams and falls back from one to the next until an answer has begun.

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
        is_translated: bool = False,
    ) -> UpstreamResponse | UpstreamStream:
        """Return the answer of the first of `models` that gives one.

        Parameters
        ----------
        body : mapping
            A chat-completions request without our own fields. An upstream that speaks it is sent
            it unchanged except for ``model``, the ``reasoning_effort`` of an arm that has one and,
            in a stream, ``stream_options.include_usage`` where the upstream knows it. Several
            samples differ in their ``seed``, if any.
        models : sequence of str
            The allowed arms, best first; in a stream each has one sample.
        deadline_s : float
            Time-out for a whole answer, or for the beginning of one in a stream. A stream that has
            begun continues as long as no gap between its chunks exceeds the model's ``timeout_s``.
        headers : mapping of str to str
            The client's, names in lower case; those that the upstream's API names are sent.
        is_translated : bool, default=False
            Whether the client speaks another API: a stream ends with its usage, even if `body`
            does not ask for it, and fields beyond OpenAI's are sent only to upstreams that are
            known to take them.

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
        ends_at = asyncio.get_running_loop().time() + deadline_s
        history = AttemptHistory(body, headers, ends_at, is_translated)
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
        """Attempt once, and at once again as long as a refusal shows how to say it otherwise."""
        while True:
            try:
                return await self._attempt(arm, call, history)
            except UpstreamError as error:
                if not arm.upstream.learned.note(error.refusal, history.hints):
                    raise

    async def _attempt(
        self, arm: ArmUpstream, call: UpstreamCall, history: AttemptHistory
    ) -> UpstreamResponse | UpstreamStream:
        request = history.request(arm)
        outcome, counts = "cancelled", None
        response: UpstreamResponse | UpstreamStream
        try:
            if arm.arm.n_samples > 1:
                with span(f"best of {arm.arm.n_samples}", {"scope.arm": arm.name}):
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
