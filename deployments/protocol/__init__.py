"""Messages and errors between replicas, and a remote call with time limit and circuit breaker."""

from deployments.protocol.circuit_breaker import CircuitBreaker
from deployments.protocol.decision import (
    CandidateEstimate,
    Decision,
    NearestAnchor,
    ReasoningSummary,
    pinned_decision,
)
from deployments.protocol.messages import (
    EmbeddedTexts,
    Prediction,
    PredictionRequest,
    ReasoningMode,
    ReasoningQuestion,
    ReasoningRequest,
    ReasoningResult,
    SelectionRequest,
    StrategyRequest,
    eligible_prediction_set,
    predicted_arms,
    stack_estimates,
)
from deployments.protocol.request_errors import (
    AuthenticationError,
    ModelNotFoundError,
    NoEligibleModelError,
    NotConfiguredError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitError,
    RequestError,
)
from deployments.protocol.validation_messages import field_path, format_error, short_repr

__all__ = [
    "AuthenticationError",
    "CandidateEstimate",
    "CircuitBreaker",
    "Decision",
    "EmbeddedTexts",
    "ModelNotFoundError",
    "NearestAnchor",
    "NoEligibleModelError",
    "NotConfiguredError",
    "OverloadedError",
    "PayloadTooLargeError",
    "Prediction",
    "PredictionRequest",
    "RateLimitError",
    "ReasoningMode",
    "ReasoningQuestion",
    "ReasoningRequest",
    "ReasoningResult",
    "ReasoningSummary",
    "RequestError",
    "SelectionRequest",
    "StrategyRequest",
    "eligible_prediction_set",
    "field_path",
    "format_error",
    "pinned_decision",
    "predicted_arms",
    "short_repr",
    "stack_estimates",
]
