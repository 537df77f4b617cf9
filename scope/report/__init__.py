"""A bank compared with every baseline on labelled questions: numbers, tables, charts, a page."""

from scope.report.anchor_forecasts import AnchorForecasts
from scope.report.bill_ratio import ChosenCosts, fit_bill_ratio
from scope.report.challenge import Challenge, challenge
from scope.report.evaluation import N_STEPS, Evaluation, evaluate, predict_test_set
from scope.report.export import curves, prediction_entries, to_json, to_table
from scope.report.learning_curve import PARTS, LearningCurve, learning_curve, part_sizes
from scope.report.page import to_html
from scope.report.reasoners import ReasonedPredictions, ReasonerComparison, compare_reasoners
from scope.report.routing_gain import routing_gain, second_encoder_gain
from scope.report.thresholds import CEILINGS, FLOORS, MetricThreshold, parse_limits

__all__ = [
    "CEILINGS",
    "FLOORS",
    "N_STEPS",
    "PARTS",
    "AnchorForecasts",
    "Challenge",
    "ChosenCosts",
    "Evaluation",
    "LearningCurve",
    "MetricThreshold",
    "ReasonedPredictions",
    "ReasonerComparison",
    "challenge",
    "compare_reasoners",
    "curves",
    "evaluate",
    "fit_bill_ratio",
    "learning_curve",
    "parse_limits",
    "part_sizes",
    "predict_test_set",
    "prediction_entries",
    "routing_gain",
    "second_encoder_gain",
    "to_html",
    "to_json",
    "to_table",
]
