"""A client of any OpenAI-compatible API: how it retries, and how it reads failures."""

from scope.upstream.addresses import (
    KEY_FORMATS,
    address_problem,
    is_variable_name,
    variable_in_words,
)
from scope.upstream.client import (
    CONNECT_S,
    ChatClient,
    map_transport_error,
    open_transport,
    token_count,
)
from scope.upstream.endpoint import OPENROUTER, CompletionResult, EndpointConfig
from scope.upstream.failure import (
    CUT_CONNECTION,
    GARBAGE,
    TIMEOUT,
    UpstreamError,
    event_data,
    http_error,
    one_line,
    read_completion,
    split_error_event,
    split_events,
)
from scope.upstream.retry import RetryPolicy, Seconds

__all__ = [
    "CONNECT_S",
    "CUT_CONNECTION",
    "GARBAGE",
    "KEY_FORMATS",
    "OPENROUTER",
    "TIMEOUT",
    "ChatClient",
    "CompletionResult",
    "EndpointConfig",
    "RetryPolicy",
    "Seconds",
    "UpstreamError",
    "address_problem",
    "event_data",
    "http_error",
    "is_variable_name",
    "map_transport_error",
    "one_line",
    "open_transport",
    "read_completion",
    "split_error_event",
    "split_events",
    "token_count",
    "variable_in_words",
]
