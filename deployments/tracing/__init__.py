"""Traces: what a request does and for how long, and their export to a collector."""

from deployments.tracing.chat_content import input_messages, output_messages
from deployments.tracing.decision_attributes import decision_attributes
from deployments.tracing.genai_attributes import answer_attributes, request_attributes
from deployments.tracing.settings import TracingSettings
from deployments.tracing.spans import NO_SPAN, Span, current_span, error_type, span
from deployments.tracing.tracing import Tracing

__all__ = [
    "NO_SPAN",
    "Span",
    "Tracing",
    "TracingSettings",
    "answer_attributes",
    "current_span",
    "decision_attributes",
    "error_type",
    "input_messages",
    "output_messages",
    "request_attributes",
    "span",
]
