"""The retry policy of all calls of upstreams."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from scope.config import StrictModel
from scope.upstream.failure import UpstreamError

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RetryPolicy(StrictModel):
    """How often a call is attempted, and the waits between the attempts."""

    attempts: int = Field(default=5, ge=1)
    """Attempts in all, the first included."""
    initial_backoff_s: Seconds = 0.5
    """Wait before the first retry, doubled before each further one, with jitter; a
    ``Retry-After`` replaces it."""
    max_backoff_s: Seconds = 60.0
    """Upper bound of the waits."""

    def retrying(
        self, *, deadline_s: float | None = None, n_attempts: Callable[[], int] | None = None
    ) -> "AsyncRetrying":
        """Return tenacity's loop over the attempts; it raises the error of the last.

        Parameters
        ----------
        deadline_s : float, optional
            A wait that would end later than this from now is not begun. Without a deadline a
            ``Retry-After`` beyond `max_backoff_s` ends the retries.
        n_attempts : callable, optional
            Attempts so far, where one pass of the loop makes several; default: passes.
        """
        from tenacity import AsyncRetrying, stop_before_delay, stop_never, wait_exponential_jitter

        backoff = wait_exponential_jitter(
            multiplier=self.initial_backoff_s,
            max=self.max_backoff_s,
            jitter=self.initial_backoff_s,
        )
        max_wait_s = self.max_backoff_s if deadline_s is None else float("inf")

        def should_retry(state: "RetryCallState") -> bool:
            error = _error(state)
            n = n_attempts() if n_attempts else state.attempt_number
            if error is None or not error.is_retryable or n >= self.attempts:
                return False
            return error.wait_s is None or error.wait_s <= max_wait_s

        def wait_s(state: "RetryCallState") -> float:
            error = _error(state)
            return backoff(state) if error is None or error.wait_s is None else error.wait_s

        return AsyncRetrying(
            stop=stop_never if deadline_s is None else stop_before_delay(deadline_s),
            retry=should_retry,
            wait=wait_s,
            reraise=True,
        )


def _error(state: "RetryCallState") -> UpstreamError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, UpstreamError) else None
