"""Read and validate request bodies, and derive what a model must support."""

from deployments.requests.body import ENCODINGS, read_body
from deployments.requests.chat import AUTO_NAMES, ChatRequest
from deployments.requests.eligibility import check_pinned, eligible_models
from deployments.requests.feedback import FeedbackBody
from deployments.requests.parsing import parse_json_object
from deployments.requests.requirements import Requirements
from deployments.requests.routing_request import ROUTE_BODIES, RouteBody, RoutingRequest

__all__ = [
    "AUTO_NAMES",
    "ENCODINGS",
    "ROUTE_BODIES",
    "ChatRequest",
    "FeedbackBody",
    "Requirements",
    "RouteBody",
    "RoutingRequest",
    "check_pinned",
    "eligible_models",
    "parse_json_object",
    "read_body",
]
