"""A hop to another replica: with a deadline, tried once more if the replica dies under it."""

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
"""A replica that dies takes its calls with it; Serve gives them to no other."""

FAILURES, OPEN_S = 5, 1.0
"""After so many failures in a row nobody waits for the replica, for so long."""

BREAKER_KINDS = ("down", "broken")
"""Failures that count against a replica; one that is full is well, and says no at once."""

log = logging.getLogger("ray.serve")


class RemoteCallError(Exception):
    """A replica that did not answer.

    Attributes
    ----------
    reason : str
        Name of the deployment and ``late``, ``full``, ``down`` or ``broken``.
    """

    def __init__(self, name: str, how: str) -> None:
        super().__init__(name, how)
        self.kind = how
        self.reason = f"{name} {how}"


class RemoteCall:
    """One method of a deployment.

    Parameters
    ----------
    name : str
        What reasons call the deployment.
    call : callable
        ``handle.method.remote``: returns something to await, and to cancel.
    open_s : float, default=OPEN_S
        How long nobody waits for a replica that is ill.
    """

    def __init__(self, name: str, call: Callable[[Any], Any], *, open_s: float = OPEN_S) -> None:
        self._name, self._call = name, call
        self._breaker = CircuitBreaker(name, failures=FAILURES, open_s=open_s)

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - whatever the replica returns
        """Return what the replica answers.

        Parameters
        ----------
        argument : object
        timeout_s : float
            How long to wait.
        slow_call_s : float
            How long it may take a replica that is well: one that is late for a client in a
            greater hurry is not ill.

        Raises
        ------
        RemoteCallError
            If it does not answer in time, or at all.
        """
        if not self._breaker.try_acquire():
            raise RemoteCallError(self._name, "down")
        began_at = time.monotonic()
        tell: Callable[[], None] = self._breaker.release
        try:
            answer = await self._call_with_retry(argument, timeout_s)
            tell = self._breaker.record_success
        except RemoteCallError as error:
            if error.kind in BREAKER_KINDS or (
                error.kind == "late" and time.monotonic() - began_at >= slow_call_s
            ):
                tell = partial(self._breaker.record_failure, error)
            raise
        finally:
            tell()
        return answer

    async def _call_with_retry(self, argument: object, timeout_s: float) -> Any:  # noqa: ANN401
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(MAX_ATTEMPTS):
                    try:
                        return await self._call(argument)
                    except (RayActorError, ReplicaUnavailableError) as error:
                        died = type(error).__name__
                        log.warning("the %s died under a call: %s", self._name, died)
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
            raise RemoteCallError(
                self._name, "down"
            ) from None  # it was the replica's call, not ours
        except RemoteCallError:
            raise
        except Exception as error:  # the request goes on without: whatever it was, it is told here
            log.exception("the %s failed", self._name, exc_info=error)
            raise RemoteCallError(self._name, "broken") from None


class RemoteMethod(Protocol):
    """One method of another deployment, as `Hop` asks it."""

    async def call(self, argument: object, *, timeout_s: float, slow_call_s: float) -> Any:  # noqa: ANN401 - whatever it returns
        """Return what it answers, or raise `HopError`."""
        ...
