"""How hard to try for one request."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_before_delay,
    wait_exponential_jitter,
)

from deployments.answers import Attempt
from deployments.calls import Call
from deployments.failures import DEADLINE, OUR_ACCOUNT, UNCALLED, is_the_clients
from deployments.upstreams import Seconds
from scope.config import Strict
from scope.endpoint import CallError

FINAL = UNCALLED | {DEADLINE} | {f"http {status}" for status in OUR_ACCOUNT}
"""Failures that waiting does not mend, or that the client had better wait for itself."""


class RetrySettings(Strict):
    """``user_config: retries``."""

    attempts: int = Field(default=4, ge=1)
    """Calls in all: the allowed models in their order, then again from the first."""
    first_wait_s: Seconds = 0.2
    """Before the second round, doubled before each further one, with jitter; ``Retry-After``
    replaces it."""
    longest_wait_s: Seconds = 5.0


@dataclass(slots=True)
class Trail:
    """One request on its way from model to model."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    ends_at: float
    """On the event loop's clock."""
    attempts: list[Attempt] = field(default_factory=list)

    def call(self) -> Call:
        """Return what the next upstream is asked."""
        return Call(self.body, self.headers, self.ends_at - asyncio.get_running_loop().time())

    @property
    def calls(self) -> int:
        """How many upstreams were really called."""
        return sum(attempt.outcome not in UNCALLED for attempt in self.attempts)


def rounds(settings: RetrySettings, trail: Trail) -> AsyncRetrying:
    """Return the rounds through the allowed models; the waits between them keep the deadline."""
    backoff = wait_exponential_jitter(
        multiplier=settings.first_wait_s,
        max=settings.longest_wait_s,
        jitter=settings.first_wait_s,
    )

    def worth_it(error: BaseException) -> bool:
        if not isinstance(error, CallError) or trail.calls >= settings.attempts:
            return False
        return error.kind not in FINAL and not is_the_clients(error)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, CallError) else None
        return backoff(state) if asked is None else asked

    return AsyncRetrying(
        stop=stop_before_delay(trail.call().left_s),
        retry=retry_if_exception(worth_it),
        wait=wait_s,
        reraise=True,
    )
