"""Call the chosen model, fall back to the next, and pass streams through."""

from deployments.upstream.client import UpstreamClient
from deployments.upstream.errors import error_body
from deployments.upstream.executor import FallbackExecutor
from deployments.upstream.learning import HINTS
from deployments.upstream.responses import Attempt, UpstreamResponse, UpstreamStream
from deployments.upstream.retries import RetrySettings
from deployments.upstream.samples import SampleCounts, SampleReport, SamplingSettings
from deployments.upstream.selection import SampleSelector
from deployments.upstream.upstream_settings import UpstreamSettings
from deployments.upstream.upstreams import Upstream, UpstreamRegistry, upstream_name

__all__ = [
    "HINTS",
    "Attempt",
    "FallbackExecutor",
    "RetrySettings",
    "SampleCounts",
    "SampleReport",
    "SampleSelector",
    "SamplingSettings",
    "Upstream",
    "UpstreamClient",
    "UpstreamRegistry",
    "UpstreamResponse",
    "UpstreamSettings",
    "UpstreamStream",
    "error_body",
    "upstream_name",
]
