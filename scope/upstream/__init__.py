"""A client of any OpenAI-compatible API: how it retries, and how it reads failures."""

from scope.upstream.addresses import (
    KEY_FORMATS,
    address_problem,
    is_variable_name,
    redirect_words,
    variable_in_words,
    variable_problem,
)
from scope.upstream.client import (
    CONNECT_S,
    ChatClient,
    map_transport_error,
    open_transport,
)
from scope.upstream.endpoint import OPENROUTER, CompletionResult, EndpointConfig
from scope.upstream.events import (
    OpenChoices,
    begins_answer,
    choices_of,
    event_data,
    event_text,
    holds_events,
    split_events,
)
from scope.upstream.failure import (
    CUT_CONNECTION,
    GARBAGE,
    NO_CONNECTION,
    TIMEOUT,
    UpstreamError,
    cut_stream,
    http_error,
    one_line,
    read_completion,
    read_event,
    retry_after_s,
)
from scope.upstream.parameters import OTHER_NAMES, ParameterRules, known_rules, rules_for
from scope.upstream.refusal import Refusal, read_refusal
from scope.upstream.retry import RetryPolicy, Seconds

__all__ = [
    "CONNECT_S",
    "CUT_CONNECTION",
    "GARBAGE",
    "KEY_FORMATS",
    "NO_CONNECTION",
    "OPENROUTER",
    "OTHER_NAMES",
    "TIMEOUT",
    "ChatClient",
    "CompletionResult",
    "EndpointConfig",
    "OpenChoices",
    "ParameterRules",
    "Refusal",
    "RetryPolicy",
    "Seconds",
    "UpstreamError",
    "address_problem",
    "begins_answer",
    "choices_of",
    "cut_stream",
    "event_data",
    "event_text",
    "holds_events",
    "http_error",
    "is_variable_name",
    "known_rules",
    "map_transport_error",
    "one_line",
    "open_transport",
    "read_completion",
    "read_event",
    "read_refusal",
    "redirect_words",
    "retry_after_s",
    "rules_for",
    "split_events",
    "variable_in_words",
    "variable_problem",
]
