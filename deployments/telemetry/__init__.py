"""Metrics, the decision log, and the decisions that may be given a score."""

from deployments.telemetry.decision_log import DecisionLog, LogSettings
from deployments.telemetry.recent_decisions import RecentDecision, RecentDecisions

__all__ = [
    "DecisionLog",
    "LogSettings",
    "RecentDecision",
    "RecentDecisions",
]
