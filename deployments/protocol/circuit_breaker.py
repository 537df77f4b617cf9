"""A circuit breaker: leaves an upstream alone that failed too often in a row."""

import time

from purgatory.domain.model import HALF_OPENED, OPENED, Context


class CircuitBreaker:
    """purgatory's states, with outcomes told by hand and one trial at a time.

    Its ``async with`` knows two outcomes only, and a client that hangs up while the upstream is
    silent is neither: as a failure, clients could open the circuit; as a success, they would keep
    it closed.

    Parameters
    ----------
    name : str
    failures : int
        Open after this many in a row.
    open_s : float
        Seconds until one call may try again.
    """

    def __init__(self, name: str, *, failures: int, open_s: float) -> None:
        self._circuit = Context(name, threshold=failures, ttl=open_s)
        self._trying = False

    @property
    def state(self) -> str:
        """``closed``, ``half-opened`` or ``opened``, for metrics."""
        return self._circuit.state

    @property
    def reopens_in_s(self) -> float:
        """Seconds until a call may try; not above 0 where one may."""
        opened_at = self._circuit.opened_at
        return 0.0 if opened_at is None else opened_at + self._circuit.ttl - time.time()

    def try_acquire(self) -> bool:
        """Say whether a call may go out; one that does must tell how it ended."""
        # purgatory would refuse by raising one exception object again and again, and every
        # frame that it ever passed would stay alive on its traceback: ask the clock first.
        if self._trying or (self.state == OPENED and self.reopens_in_s >= 0):
            return False
        self._circuit.handle_new_request()
        self._trying = self.state == HALF_OPENED
        return True

    def record_success(self) -> None:
        """Close."""
        self._circuit.handle_end_request()
        self._end_trial()

    def record_failure(self, error: Exception) -> None:
        """Count, and open if that was one too many."""
        self._circuit.handle_exception(error)
        self._end_trial()

    def release(self) -> None:
        """Learn nothing, and let another call try: this one has begun well, or was given up."""
        self._end_trial()

    def _end_trial(self) -> None:
        self._trying = False
        self._circuit.messages.clear()  # for purgatory's message bus, which is not used
