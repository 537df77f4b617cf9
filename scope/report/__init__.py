"""A bank compared with every baseline on labelled questions: numbers, tables, charts, a page."""

from scope.report.challenge import Challenge, challenge
from scope.report.evaluation import N_STEPS, Evaluation, evaluate, predict_test_set
from scope.report.export import curves, prediction_entries, to_json, to_table
from scope.report.page import to_html
from scope.report.reasoners import ReasonedPredictions, ReasonerComparison, compare_reasoners
from scope.report.routing_gain import routing_gain, second_encoder_gain
from scope.report.thresholds import CEILINGS, FLOORS, MetricThreshold, parse_limits

__all__ = [
    "CEILINGS",
    "FLOORS",
    "N_STEPS",
    "Challenge",
    "Evaluation",
    "MetricThreshold",
    "ReasonedPredictions",
    "ReasonerComparison",
    "challenge",
    "compare_reasoners",
    "curves",
    "evaluate",
    "parse_limits",
    "predict_test_set",
    "prediction_entries",
    "routing_gain",
    "second_encoder_gain",
    "to_html",
    "to_json",
    "to_table",
]
