"""A circuit breaker: stops calls to an upstream that fails repeatedly."""

import time

from purgatory.domain.model import HALF_OPENED, OPENED, Context


class CircuitBreaker:
    """purgatory's states, with explicit outcomes and one trial call at a time.

    purgatory's ``async with`` knows success and failure only. A client that disconnects while the
    upstream is silent is neither: counted as a failure, clients could open the circuit; counted
    as a success, they could keep it closed.

    Parameters
    ----------
    name : str
    failures : int
        Consecutive failures that open the circuit.
    open_s : float
        Seconds until a trial call.
    """

    def __init__(self, name: str, *, failures: int, open_s: float) -> None:
        self._circuit = Context(name, threshold=failures, ttl=open_s)
        self._in_trial = False

    @property
    def state(self) -> str:
        """``closed``, ``half-opened`` or ``opened``, for metrics."""
        return self._circuit.state

    @property
    def reopens_in_s(self) -> float:
        """Seconds until a call is allowed; at most 0 if one is."""
        opened_at = self._circuit.opened_at
        return 0.0 if opened_at is None else opened_at + self._circuit.ttl - time.time()

    def try_acquire(self) -> bool:
        """Return whether a call is allowed; the caller must record its outcome."""
        # purgatory refuses by raising the same exception object each time, whose traceback keeps
        # every frame alive: check the clock first.
        if self._in_trial or (self.state == OPENED and self.reopens_in_s >= 0):
            return False
        self._circuit.handle_new_request()
        self._in_trial = self.state == HALF_OPENED
        return True

    def record_success(self) -> None:
        """Close the circuit."""
        self._circuit.handle_end_request()
        self._end_trial()

    def record_failure(self, error: Exception) -> None:
        """Count a failure; open the circuit at the limit."""
        self._circuit.handle_exception(error)
        self._end_trial()

    def release(self) -> None:
        """Record no outcome and allow the next trial: the call was abandoned, or has begun well."""
        self._end_trial()

    def _end_trial(self) -> None:
        self._in_trial = False
        self._circuit.messages.clear()  # of purgatory's message bus, which is not used
