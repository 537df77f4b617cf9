"""A client of any OpenAI-compatible API."""

from scope.upstream.client import (
    CONNECT_S,
    MAX_ERROR_CHARS,
    ChatClient,
    map_transport_error,
    open_transport,
    token_count,
)
from scope.upstream.endpoint import (
    OPENROUTER,
    RETRIED_STATUSES,
    CompletionResult,
    EndpointConfig,
    UpstreamError,
    retry_after_s,
)

__all__ = [
    "CONNECT_S",
    "MAX_ERROR_CHARS",
    "OPENROUTER",
    "RETRIED_STATUSES",
    "ChatClient",
    "CompletionResult",
    "EndpointConfig",
    "UpstreamError",
    "map_transport_error",
    "open_transport",
    "retry_after_s",
    "token_count",
]
