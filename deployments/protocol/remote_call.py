"""A call of another deployment: with a deadline, and a retry if the replica dies during it."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from ray.exceptions import RayActorError, TaskCancelledError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)

from deployments.protocol.circuit_breaker import CircuitBreaker

MAX_ATTEMPTS = 2
"""The calls of a replica that dies are lost; Serve passes them to no other."""

FAILURES, OPEN_S = 5, 1.0
"""After so many consecutive failures no call is made for so many seconds."""

BREAKER_KINDS = ("down", "broken")
"""Failures that count for the breaker; a full replica is healthy, and refuses at once."""

log = logging.getLogger("ray.serve")


class RemoteCallError(Exception):
    """A call that failed.

    Attributes
    ----------
    kind : str
        ``late``, ``full``, ``down`` or ``broken``.
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
        ``handle.method.remote``; its result can be awaited and cancelled.
    open_s : float, default=OPEN_S
        Seconds until an open circuit allows a trial call.
    """

    def __init__(self, name: str, call: Callable[[Any], Any], *, open_s: float = OPEN_S) -> None:
        self._name, self._call = name, call
        self._breaker = CircuitBreaker(failures=FAILURES, open_s=open_s)

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - whatever the replica returns
        """Call the method and return its result.

        Parameters
        ----------
        argument : object
        timeout_s : float
        slow_call_s : float
            Time that a healthy replica may take: a time-out before counts as no failure of the
            replica.

        Raises
        ------
        RemoteCallError
            If there is no result in time, or none at all.
        """
        if not self._breaker.try_acquire():
            raise RemoteCallError(self._name, "down")
        began_at = time.monotonic()
        record: Callable[[], None] = self._breaker.release
        try:
            result = await self._call_with_retry(argument, timeout_s)
            record = self._breaker.record_success
        except RemoteCallError as error:
            if error.kind in BREAKER_KINDS or (
                error.kind == "late" and time.monotonic() - began_at >= slow_call_s
            ):
                record = self._breaker.record_failure
            raise
        finally:
            record()
        return result

    async def _call_with_retry(self, argument: object, timeout_s: float) -> Any:  # noqa: ANN401
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(MAX_ATTEMPTS):
                    try:
                        return await self._call(argument)
                    except (RayActorError, ReplicaUnavailableError) as error:
                        log.warning(
                            "the %s died during a call: %s", self._name, type(error).__name__
                        )
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
        except Exception as error:  # logged here, since the request goes on without the result
            log.exception("the %s failed", self._name, exc_info=error)
            raise RemoteCallError(self._name, "broken") from None


class RemoteMethod(Protocol):
    """One method of another deployment, such as a `RemoteCall`."""

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - whatever it returns
        """Return its result, or raise `RemoteCallError`."""
        ...
