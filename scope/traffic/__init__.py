"""Learn from logged traffic: whether the scores of clients still agree with the predictions."""

from scope.traffic.drift import FALSE_ALARM_RATE, CalibrationTest
from scope.traffic.drift_report import DriftReport, ScoredMeans, report_drift
from scope.traffic.scored_answers import ScoredAnswers

__all__ = [
    "FALSE_ALARM_RATE",
    "CalibrationTest",
    "DriftReport",
    "ScoredAnswers",
    "ScoredMeans",
    "report_drift",
]
