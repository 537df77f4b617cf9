"""A client of any OpenAI-compatible API: how it retries, and how it reads failures."""

from scope.upstream.client import (
    CONNECT_S,
    MAX_TOKENS,
    ChatClient,
    map_transport_error,
    open_transport,
    token_count,
)
from scope.upstream.endpoint import OPENROUTER, CompletionResult, EndpointConfig
from scope.upstream.failure import (
    CUT_CONNECTION,
    GARBAGE,
    NO_CONNECTION,
    TIMEOUT,
    UpstreamError,
    event_data,
    http_error,
    one_line,
    read_completion,
    split_error_event,
    split_events,
)
from scope.upstream.parameters import OTHER_NAMES, ParameterRules, known_rules, rules_for
from scope.upstream.refusal import Refusal, read_refusal
from scope.upstream.retry import RetryPolicy, Seconds

__all__ = [
    "CONNECT_S",
    "CUT_CONNECTION",
    "GARBAGE",
    "MAX_TOKENS",
    "NO_CONNECTION",
    "OPENROUTER",
    "OTHER_NAMES",
    "TIMEOUT",
    "ChatClient",
    "CompletionResult",
    "EndpointConfig",
    "ParameterRules",
    "Refusal",
    "RetryPolicy",
    "Seconds",
    "UpstreamError",
    "event_data",
    "http_error",
    "known_rules",
    "map_transport_error",
    "one_line",
    "open_transport",
    "read_completion",
    "read_refusal",
    "rules_for",
    "split_error_event",
    "split_events",
    "token_count",
]
