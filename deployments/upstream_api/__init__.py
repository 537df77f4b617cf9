"""The APIs that upstreams speak: chat completions, and Anthropic's Messages."""

from deployments.upstream_api.api import APIS, ApiName, UpstreamApi
from deployments.upstream_api.extensions import takes_extensions, without_extensions
from deployments.upstream_api.not_supported import NOT_SUPPORTED

__all__ = [
    "APIS",
    "NOT_SUPPORTED",
    "ApiName",
    "UpstreamApi",
    "takes_extensions",
    "without_extensions",
]
