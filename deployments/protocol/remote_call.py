"""A call to another replica, with a time limit and one retry if the replica dies."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ray.exceptions import RayActorError, TaskCancelledError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)

from deployments.protocol.circuit_breaker import CircuitBreaker

MAX_ATTEMPTS = 2
"""Serve does not move the calls of a replica that dies to another one."""

FAILURES, OPEN_S = 5, 1.0
"""After this many consecutive failures calls fail at once, for this many seconds."""

BREAKER_KINDS = ("down", "broken")
"""Kinds of failures that count for the circuit breaker; a full replica is healthy."""

log = logging.getLogger("ray.serve")


class RemoteCallError(Exception):
    """A replica does not answer.

    Attributes
    ----------
    kind : str
        ``late``, ``full``, ``down``, ``broken`` or ``of another bank``.
    reason : str
        Name of the deployment and the kind.
    """

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name, kind)
        self.kind = kind
        self.reason = f"{name} {kind}"


class RemoteCall:
    """One method of a deployment.

    Parameters
    ----------
    name : str
        Name of the deployment in `RemoteCallError.reason`.
    call : callable
        ``handle.method.remote``: returns an awaitable that can be cancelled.
    open_s : float, default=OPEN_S
        How long the circuit stays open.
    """

    def __init__(self, name: str, call: Callable[[Any], Any], *, open_s: float = OPEN_S) -> None:
        self._name, self._call = name, call
        self._breaker = CircuitBreaker(name, failures=FAILURES, open_s=open_s)

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - any type the replica returns
        """Return the answer of the replica.

        Parameters
        ----------
        argument : object
        timeout_s : float
        slow_call_s : float
            Latency that a healthy replica may have: a time-out below it is no failure of the
            replica.

        Raises
        ------
        RemoteCallError
            If it does not answer in time, or at all.
        """
        if not self._breaker.try_acquire():
            raise RemoteCallError(self._name, "down")
        began_at = time.monotonic()
        record: Callable[[], None] = self._breaker.release
        try:
            answer = await self._call_with_retry(argument, timeout_s)
            record = self._breaker.record_success
        except RemoteCallError as error:
            if error.kind in BREAKER_KINDS or (
                error.kind == "late" and time.monotonic() - began_at >= slow_call_s
            ):
                record = partial(self._breaker.record_failure, error)
            raise
        finally:
            record()
        return answer

    async def _call_with_retry(self, argument: object, timeout_s: float) -> Any:  # noqa: ANN401
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(MAX_ATTEMPTS):
                    try:
                        return await self._call(argument)
                    except (RayActorError, ReplicaUnavailableError) as error:
                        died = type(error).__name__
                        log.warning("the %s died during a call: %s", self._name, died)
                raise RemoteCallError(self._name, "down")
        except TimeoutError:
            raise RemoteCallError(self._name, "late") from None
        except BackPressureError:
            raise RemoteCallError(self._name, "full") from None
        except (DeploymentUnavailableError, TaskCancelledError):
            raise RemoteCallError(self._name, "down") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The replica's call was cancelled, not this task.
            raise RemoteCallError(self._name, "down") from None
        except RemoteCallError:
            raise
        except Exception as error:  # the request continues without this replica: log the cause
            log.exception("the %s failed", self._name, exc_info=error)
            raise RemoteCallError(self._name, "broken") from None


class RemoteMethod(Protocol):
    """One method of another deployment, as `RemoteCall` calls it."""

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - any type it returns
        """Return the answer, or raise `RemoteCallError`."""
        ...
