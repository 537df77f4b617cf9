"""Settings of the operator (user_config, API keys) and options of a request."""

from deployments.settings.access import RateLimiter, check_bind
from deployments.settings.active import ActiveSettings, parse_settings
from deployments.settings.preferences import (
    AUTO_ROUTER,
    PREHOC,
    AutoRouterPlugin,
    RequestOptions,
    ScopeField,
    Strategy,
)
from deployments.settings.settings import (
    Limits,
    ReasoningSettings,
    RouterSettings,
    SessionSettings,
)

__all__ = [
    "AUTO_ROUTER",
    "PREHOC",
    "ActiveSettings",
    "AutoRouterPlugin",
    "Limits",
    "RateLimiter",
    "ReasoningSettings",
    "RequestOptions",
    "RouterSettings",
    "ScopeField",
    "SessionSettings",
    "Strategy",
    "check_bind",
    "parse_settings",
]
