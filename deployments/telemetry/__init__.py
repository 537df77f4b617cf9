"""Metrics and the decision log."""

from deployments.telemetry.decision_log import DecisionLog, LogSettings

__all__ = [
    "DecisionLog",
    "LogSettings",
]
