"""Settings of an OpenAI-compatible endpoint, and the result of a call."""

from dataclasses import dataclass, field

from scope.errors import ConfigError
from scope.prices import TokenUsage
from scope.upstream.addresses import address_problem
from scope.upstream.retry import RetryPolicy

OPENROUTER = "https://openrouter.ai/api/v1"


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Address, key and limits of an endpoint.

    Attributes
    ----------
    base_url : str
        Up to and without ``/chat/completions``.
    key : str
    concurrency : int
        Maximum number of requests in flight.
    rate : float or None
        Maximum number of requests started per second, retries included; None: no limit.
    timeout_s : float
        For one attempt, from connecting to the last byte.
    retries : RetryPolicy
    """

    base_url: str
    key: str = field(repr=False)
    concurrency: int = 16
    rate: float | None = None
    timeout_s: float = 300.0
    retries: RetryPolicy = field(default_factory=RetryPolicy)

    def __post_init__(self) -> None:
        if problem := address_problem(self.base_url):
            raise ConfigError(f"base URL: {problem}")  # it is not shown: it may hold a key
        if not self.key.strip() or not self.key.strip().isprintable() or not self.key.isascii():
            raise ConfigError(
                "the key is empty or holds characters that are not allowed in a header"
            )


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """The answer of a model."""

    text: str
    usage: TokenUsage
    truncated: bool = False
    """Whether the answer was cut at ``max_tokens``."""
    attempts: int = 1
    possibly_billed_attempts: int = 0
    """Failed attempts that may have been billed all the same: cut, timed out or garbled."""
