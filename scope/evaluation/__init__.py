"""Compare a bank with every baseline on labelled questions, with bootstrap intervals."""

from scope.evaluation.evaluation import N_STEPS, Evaluation, evaluate, predict_test_set
from scope.evaluation.export import curves, prediction_entries, to_json, to_table
from scope.evaluation.frontier_plot import plot_frontier
from scope.evaluation.match_forecast import MatchForecast, match_forecast
from scope.evaluation.planned_cost import choices_at
from scope.evaluation.reasoner_gain import CrossValidatedGain
from scope.evaluation.reference_routers import ReferenceRequest
from scope.evaluation.reference_tables import reference_tables
from scope.evaluation.report import to_html
from scope.evaluation.test_set import EvaluationSet
from scope.evaluation.thresholds import CEILINGS, FLOORS, MetricThreshold, parse_limits

__all__ = [
    "CEILINGS",
    "FLOORS",
    "N_STEPS",
    "CrossValidatedGain",
    "Evaluation",
    "EvaluationSet",
    "MatchForecast",
    "MetricThreshold",
    "ReferenceRequest",
    "choices_at",
    "curves",
    "evaluate",
    "match_forecast",
    "parse_limits",
    "plot_frontier",
    "predict_test_set",
    "prediction_entries",
    "reference_tables",
    "to_html",
    "to_json",
    "to_table",
]
