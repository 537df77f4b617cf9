"""The retries of one request over several models."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from deployments.upstream.client import UpstreamRequest
from deployments.upstream.errors import NOT_ATTEMPTED
from deployments.upstream.responses import Attempt
from deployments.upstream.upstreams import ArmUpstream
from scope.upstream import RetryPolicy, Seconds


class RetrySettings(RetryPolicy):
    """``user_config: retries``.

    The attempts go through the allowed models in their order, then start again with the first;
    the waits are between these rounds.
    """

    attempts: int = Field(default=4, ge=1)
    initial_backoff_s: Seconds = 0.2
    max_backoff_s: Seconds = 5.0


@dataclass(slots=True)
class AttemptHistory:
    """One request and its attempts so far."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    ends_at: float
    """On the event loop's clock."""
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.ends_at - asyncio.get_running_loop().time()

    def request(self, arm: ArmUpstream) -> UpstreamRequest:
        """Return the request for the next upstream."""
        return UpstreamRequest(arm.body(self.body), self.headers, self.left_s)

    def n_calls(self) -> int:
        """Count the attempts in which an upstream was called."""
        return sum(attempt.outcome not in NOT_ATTEMPTED for attempt in self.attempts)
