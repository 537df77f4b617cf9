"""Learn from logged traffic: what to measure next, how to grow a bank by scores, and drift."""

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
from scope.traffic.information import choose_informative, nearest_cosine
from scope.traffic.near_duplicates import NEAR_DUPLICATE, merge_near_duplicates
from scope.traffic.questions import TrafficQuestion, TrafficQuestions
from scope.traffic.sample import TrafficSample, sample_traffic
from scope.traffic.scored_predictions import ScoredPredictions

__all__ = [
    "FALSE_ALARM_RATE",
    "NEAR_DUPLICATE",
    "CalibrationTest",
    "DriftReport",
    "GrownBank",
    "LoggedFeedback",
    "ModelFeedback",
    "NewQuestion",
    "ScoredAnswer",
    "ScoredMeans",
    "ScoredPredictions",
    "TrafficQuestion",
    "TrafficQuestions",
    "TrafficSample",
    "choose_informative",
    "grow_bank",
    "merge_near_duplicates",
    "nearest_cosine",
    "questions_from_answers",
    "questions_from_outcomes",
    "report_drift",
    "sample_traffic",
]
