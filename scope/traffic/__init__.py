"""Learn from logged traffic: join scores with decisions, grow a bank by them, and find drift."""

from scope.traffic.drift import FALSE_ALARM_RATE, CalibrationTest
from scope.traffic.drift_report import DriftReport, ScoredMeans, report_drift
from scope.traffic.feedback import LoggedFeedback, ModelFeedback, ScoredAnswer
from scope.traffic.grown_bank import (
    GrownBank,
    NewQuestion,
    grow_bank,
    questions_from_answers,
    questions_from_outcomes,
)
from scope.traffic.scored_predictions import ScoredPredictions

__all__ = [
    "FALSE_ALARM_RATE",
    "CalibrationTest",
    "DriftReport",
    "GrownBank",
    "LoggedFeedback",
    "ModelFeedback",
    "NewQuestion",
    "ScoredAnswer",
    "ScoredMeans",
    "ScoredPredictions",
    "grow_bank",
    "questions_from_answers",
    "questions_from_outcomes",
    "report_drift",
]
