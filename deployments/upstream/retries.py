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

from deployments.upstream.client import UpstreamRequest
from deployments.upstream.errors import DEADLINE, NOT_ATTEMPTED, OPERATOR_STATUSES, is_client_error
from deployments.upstream.responses import Attempt
from deployments.upstream.upstreams import Seconds
from scope.config import StrictModel
from scope.upstream import UpstreamError

NON_RETRYABLE = NOT_ATTEMPTED | {DEADLINE} | {f"http {status}" for status in OPERATOR_STATUSES}
"""Failures that waiting does not mend, or that the client had better wait for itself."""


class RetrySettings(StrictModel):
    """``user_config: retries``."""

    attempts: int = Field(default=4, ge=1)
    """Calls in all: the allowed models in their order, then again from the first."""
    initial_backoff_s: Seconds = 0.2
    """Before the second round, doubled before each further one, with jitter; ``Retry-After``
    replaces it."""
    max_backoff_s: Seconds = 5.0


@dataclass(slots=True)
class AttemptHistory:
    """One request on its way from model to model."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    ends_at: float
    """On the event loop's clock."""
    attempts: list[Attempt] = field(default_factory=list)

    def call(self) -> UpstreamRequest:
        """Return what the next upstream is asked."""
        return UpstreamRequest(
            self.body, self.headers, self.ends_at - asyncio.get_running_loop().time()
        )

    @property
    def calls(self) -> int:
        """How many upstreams were really called."""
        return sum(attempt.outcome not in NOT_ATTEMPTED for attempt in self.attempts)


def retry_rounds(settings: RetrySettings, trail: AttemptHistory) -> AsyncRetrying:
    """Return the rounds through the allowed models; the waits between them keep the deadline."""
    backoff = wait_exponential_jitter(
        multiplier=settings.initial_backoff_s,
        max=settings.max_backoff_s,
        jitter=settings.initial_backoff_s,
    )

    def worth_it(error: BaseException) -> bool:
        if not isinstance(error, UpstreamError) or trail.calls >= settings.attempts:
            return False
        return error.kind not in NON_RETRYABLE and not is_client_error(error)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, UpstreamError) else None
        return backoff(state) if asked is None else asked

    return AsyncRetrying(
        stop=stop_before_delay(trail.call().left_s),
        retry=retry_if_exception(worth_it),
        wait=wait_s,
        reraise=True,
    )
