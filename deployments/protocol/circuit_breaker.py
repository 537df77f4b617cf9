"""A circuit breaker: stops calls of a service after several failures in a row."""

import time
from typing import Literal

CircuitState = Literal["closed", "half-open", "open"]


class CircuitBreaker:
    """Consecutive failures open the circuit; after a rest one trial call decides whether it closes.

    The caller reports three outcomes, not two: a client that disconnects while the service is
    silent is neither a failure, by which clients could open the circuit, nor a success, by which
    they would keep it closed.

    Parameters
    ----------
    failures : int
        Consecutive failures that open the circuit.
    open_s : float
        Seconds until an open circuit allows a trial call.

    Attributes
    ----------
    state : str
        ``closed``, ``half-open`` or ``open``.
    """

    def __init__(self, *, failures: int, open_s: float) -> None:
        self._max_failures, self._open_s = failures, open_s
        self._failures = 0
        self._opened_at = 0.0
        self._trial_running = False
        self.state: CircuitState = "closed"

    @property
    def reopens_in_s(self) -> float:
        """Seconds until a call is allowed; 0 or less if one is."""
        if self.state != "open":
            return 0.0
        return self._opened_at + self._open_s - time.monotonic()

    def try_acquire(self) -> bool:
        """Return whether a call is allowed; the caller of an allowed one reports its outcome."""
        if self._trial_running or self.reopens_in_s > 0:
            return False
        if self.state != "closed":
            self.state, self._trial_running = "half-open", True
        return True

    def record_success(self) -> None:
        """Close the circuit, unless it has opened since the call began."""
        self._trial_running = False
        if self.state != "open":
            self.state, self._failures = "closed", 0

    def record_failure(self) -> None:
        """Count a failure; open the circuit if it is one too many or the call was a trial."""
        self._trial_running = False
        self._failures += 1
        if self.state == "half-open" or (
            self.state == "closed" and self._failures >= self._max_failures
        ):
            self.state, self._opened_at = "open", time.monotonic()

    def release(self) -> None:
        """Report no outcome, and allow another trial: the call began well, or was given up."""
        self._trial_running = False
