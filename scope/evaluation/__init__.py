"""How routers are measured: test sets, resamples, strategies, calibration, leaderboards."""

from scope.evaluation.answer_quality import AnswerQuality, auc_replicates
from scope.evaluation.bootstrap import N_REPLICATES, Interval, bootstrap_weights
from scope.evaluation.budget_curve import log_budgets, mixture_curve
from scope.evaluation.calibration_bins import N_BINS
from scope.evaluation.forecast_quality import ALL_MODELS, ForecastQuality, forecast_qualities
from scope.evaluation.formatting import (
    UNKNOWN,
    Table,
    TableCell,
    format_metric,
    format_points,
    format_share,
    format_share_rounded,
    is_defined,
    one_decimal,
    percent,
    plus_minus,
    split_interval,
)
from scope.evaluation.frontier_plot import MIXTURE_COLOUR, MODEL_COLOUR, OUR_COLOUR, plot_frontier
from scope.evaluation.held_out_choice import N_FOLDS, hash_folds
from scope.evaluation.leaderboard import (
    BudgetPoint,
    Leaderboard,
    LeaderboardRow,
    SingleModelRow,
    single_model_rows,
)
from scope.evaluation.metric_replicates import HIGHER_IS_BETTER, metric_replicates
from scope.evaluation.model_differences import difference_r2
from scope.evaluation.near_duplicates import NearDuplicates, near_duplicates
from scope.evaluation.planned_cost import (
    PlannedVsRealised,
    choices_at,
    planned_vs_realised,
    select_questions,
)
from scope.evaluation.reliability import ProbabilityMetrics, log_loss
from scope.evaluation.strategies import (
    N_SETTINGS,
    BestSingleModel,
    LambdaSweep,
    Oracle,
    RandomMixtures,
    ResampledOutcomes,
    ShuffledControl,
    Strategy,
    lambda_grid,
)
from scope.evaluation.test_set import MIN_ANCHORS, EvaluationSet
from scope.evaluation.weighted import TokenCountError, WeightedPairs, auc, safe_ratio

__all__ = [
    "ALL_MODELS",
    "HIGHER_IS_BETTER",
    "MIN_ANCHORS",
    "MIXTURE_COLOUR",
    "MODEL_COLOUR",
    "N_BINS",
    "N_FOLDS",
    "N_REPLICATES",
    "N_SETTINGS",
    "OUR_COLOUR",
    "UNKNOWN",
    "AnswerQuality",
    "BestSingleModel",
    "BudgetPoint",
    "EvaluationSet",
    "ForecastQuality",
    "Interval",
    "LambdaSweep",
    "Leaderboard",
    "LeaderboardRow",
    "NearDuplicates",
    "Oracle",
    "PlannedVsRealised",
    "ProbabilityMetrics",
    "RandomMixtures",
    "ResampledOutcomes",
    "ShuffledControl",
    "SingleModelRow",
    "Strategy",
    "Table",
    "TableCell",
    "TokenCountError",
    "WeightedPairs",
    "auc",
    "auc_replicates",
    "bootstrap_weights",
    "choices_at",
    "difference_r2",
    "forecast_qualities",
    "format_metric",
    "format_points",
    "format_share",
    "format_share_rounded",
    "hash_folds",
    "is_defined",
    "lambda_grid",
    "log_budgets",
    "log_loss",
    "metric_replicates",
    "mixture_curve",
    "near_duplicates",
    "one_decimal",
    "percent",
    "planned_vs_realised",
    "plot_frontier",
    "plus_minus",
    "safe_ratio",
    "select_questions",
    "single_model_rows",
    "split_interval",
]
