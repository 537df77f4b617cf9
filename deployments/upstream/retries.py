"""The retries of one request over several models."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import Field

from deployments.upstream.client import UpstreamRequest
from deployments.upstream.errors import FULL, NOT_ATTEMPTED, OPEN
from deployments.upstream.learning import HINTS
from deployments.upstream.responses import Attempt
from deployments.upstream.upstreams import ArmUpstream
from scope.upstream import RetryPolicy, Seconds, UpstreamError

CLOCK_S = 0.01
"""A timer may end this much before its time."""


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
    is_translated: bool = False
    """As in `UpstreamRequest`."""
    attempts: list[Attempt] = field(default_factory=list)
    failures: dict[str, "Failure"] = field(default_factory=dict)
    """The latest of each arm."""
    n_calls: int = 0
    """Calls that failed; those that a model refused for what it is are not counted."""

    @property
    def hints(self) -> frozenset[str]:
        """Fields that an upstream may do without."""
        return HINTS if self.is_translated else frozenset()

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.ends_at - asyncio.get_running_loop().time()

    def request(self, arm: ArmUpstream) -> UpstreamRequest:
        """Return the request for the next upstream."""
        return UpstreamRequest(arm.body(self.body), self.headers, self.left_s, self.is_translated)

    def record_failure(self, arm: ArmUpstream, error: UpstreamError) -> None:
        """Note why an arm failed, and until when it asks to wait."""
        self.failures[arm.name] = Failure(error, self._now() + (error.wait_s or 0.0))
        self.n_calls += error.kind not in NOT_ATTEMPTED and error.refusal is None

    def callable_arms(self, arms: Sequence[ArmUpstream]) -> list[ArmUpstream]:
        """Return the arms that may be called now, in their order.

        An arm that failed for good is not called again, and none before the end of its wait.
        """
        return [
            arm
            for arm in arms
            if (failure := self.failures.get(arm.name)) is None
            or failure.error.kind in (FULL, OPEN)
            or (failure.error.is_retryable and failure.ready_at <= self._now() + CLOCK_S)
        ]

    def wrong_request(self) -> UpstreamError | None:
        """Return the first error if two models refuse the request and neither says what it lacks.

        Then the request itself is wrong: a third model would refuse it, too.
        """
        wrong = [
            failure.error
            for failure in self.failures.values()
            if failure.error.is_client_error and failure.error.refusal is None
        ]
        return wrong[0] if len(wrong) > 1 else None

    def round_error(self) -> UpstreamError:
        """Return the error that decides when the next round begins.

        One that may pass and asks for no wait, else the one with the shortest wait left; where
        no error may pass, the one for the client.
        """
        passing = [failure for failure in self.failures.values() if failure.error.is_retryable]
        if not passing or self.wrong_request():
            return self.told_error()
        soonest = min(passing, key=lambda failure: failure.ready_at)
        if soonest.error.wait_s is not None:
            soonest.error.wait_s = max(soonest.ready_at - self._now(), 0.0)
        return soonest.error

    def told_error(self) -> UpstreamError:
        """Return the error for the client, with the shortest of all waits.

        Of the calls that were made: one that may pass and says when; the refusal of the best
        model, in its words; the last one. Where no call was made, the error of the best model.
        """
        if wrong := self.wrong_request():
            return wrong
        failures = list(self.failures.values())
        called = [f.error for f in failures if f.error.kind not in NOT_ATTEMPTED]
        passing = [error for error in called if error.is_retryable]
        waiting = [error for error in passing if error.wait_s is not None]
        refused = [error for error in called if error.is_client_error] if not passing else []
        error = next(iter(waiting or refused or passing[-1:] or called[-1:]), failures[0].error)
        waits = [f.ready_at - self._now() for f in failures if f.error.wait_s is not None]
        if error.wait_s is not None:
            error.wait_s = max(min(waits), 0.0)
        return error

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class Failure(NamedTuple):
    """The latest failure of an arm."""

    error: UpstreamError
    ready_at: float
    """On the event loop's clock: the end of the wait that the upstream asks for."""
