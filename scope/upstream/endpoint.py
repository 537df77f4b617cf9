"""An OpenAI-compatible endpoint, what it answers, and how a call can end without an answer."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scope.errors import ConfigError, ScopeError

OPENROUTER = "https://openrouter.ai/api/v1"
RETRIED_STATUSES = frozenset({408, 409, 425, 429, *range(500, 600)})


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Where to ask, and how hard to try.

    Attributes
    ----------
    base_url : str
        Up to and without ``/chat/completions``.
    key : str
    concurrency : int
        Most requests under way at once.
    rate : float or None
        Most requests started a second, retries included; None: no limit.
    timeout_s : float
        For one attempt, from connecting to the last byte.
    attempts : int
        Tries in all before a call is given up.
    initial_backoff_s, max_backoff_s : float
        Waits double from the one to the other, with jitter; a ``Retry-After`` replaces them, and
        one beyond `max_backoff_s` gives the call up.
    """

    base_url: str
    key: str = field(repr=False)
    concurrency: int = 16
    rate: float | None = None
    timeout_s: float = 300.0
    attempts: int = 5
    initial_backoff_s: float = 0.5
    max_backoff_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"base URL is {self.base_url!r}; expected http:// or https://")
        if "@" in self.base_url or "?" in self.base_url:
            raise ConfigError("the base URL holds more than an address; pass the key as a variable")
        if not self.key.strip() or not self.key.strip().isprintable() or not self.key.isascii():
            raise ConfigError("the key is empty or holds characters that no header may carry")


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """What a model said; token counts are None where the upstream did not tell."""

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    truncated: bool = False
    """Whether it ended at ``max_tokens`` and not by itself."""
    attempts: int = 1
    possibly_billed_attempts: int = 0
    """Earlier attempts that may have been billed all the same: cut, timed out or garbled."""


class UpstreamError(ScopeError):
    """A call that ended without an answer.

    Attributes
    ----------
    kind : str
        ``http 429``, ``timeout``, ``no connection``, ``cut connection`` or ``garbage``.
    status : int or None
    attempts, possibly_billed_attempts : int
        Tries in all; of these, the ones that may have been billed.
    """

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(kind, message, status)
        self.kind, self.message, self.status = kind, message, status
        self.wait_s: float | None = None
        self.attempts = self.possibly_billed_attempts = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status is None or self.status in RETRIED_STATUSES

    @property
    def is_fatal(self) -> bool:
        """Whether every other call would fail alike: the key or the credit is refused."""
        return self.status in (401, 402)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, None where it asks nothing.

    Examples
    --------
    >>> retry_after_s("1.5", datetime.now(UTC))
    1.5
    >>> retry_after_s("Wed, 21 Oct 2026 07:28:00 GMT", datetime(2026, 10, 21, 7, 27, tzinfo=UTC))
    60.0
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (aware - now).total_seconds()
    return max(seconds, 0.0) if abs(seconds) < float("inf") else None
