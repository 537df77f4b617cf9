"""What an operator configures (user_config, API keys) and a request may override."""

from deployments.settings.access import RateLimiter, check_bind
from deployments.settings.active import ActiveSettings, parse_settings
from deployments.settings.preferences import (
    AUTO_ROUTER,
    AutoRouterPlugin,
    RequestOptions,
    ScopeField,
)
from deployments.settings.settings import (
    Limits,
    ReasoningSettings,
    RouterSettings,
    SessionSettings,
)

__all__ = [
    "AUTO_ROUTER",
    "ActiveSettings",
    "AutoRouterPlugin",
    "Limits",
    "RateLimiter",
    "ReasoningSettings",
    "RequestOptions",
    "RouterSettings",
    "ScopeField",
    "SessionSettings",
    "check_bind",
    "parse_settings",
]
