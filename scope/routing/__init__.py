"""Route predictions under an objective, and score, store, sweep or replay the result."""

from scope.routing.decision_log import DecisionHistory
from scope.routing.frontier import (
    AlphaSweep,
    FrontierPoint,
    PlannedAndRealised,
    mix_accuracy,
    mix_hull,
    planned_score,
)
from scope.routing.log_records import (
    BANK_STRATEGY,
    DecisionLogReader,
    LoggedRequest,
    LoggedScore,
    ScoreLogReader,
)
from scope.routing.logged import LoggedDecisions
from scope.routing.metrics import GroundTruth, RoutingScore, finite_or_none, score_json
from scope.routing.prediction_set import PredictionSet, PredictionSource, outcomes_of
from scope.routing.prediction_store import (
    FOLDER,
    NEIGHBOURS,
    OUTCOMES,
    P_YES,
    PART,
    REFERENCE,
    PredictionsManifest,
    StoredPredictions,
    load_predictions,
    shard_file,
    write_manifest,
    write_shard,
)
from scope.routing.replay import ReplayComparison
from scope.routing.route import Objective, restrict_models, route, route_to_file
from scope.routing.routing import SCORE_COLUMNS, RoutingResult, RoutingSummary, format_usd

__all__ = [
    "BANK_STRATEGY",
    "FOLDER",
    "NEIGHBOURS",
    "OUTCOMES",
    "PART",
    "P_YES",
    "REFERENCE",
    "SCORE_COLUMNS",
    "AlphaSweep",
    "DecisionHistory",
    "DecisionLogReader",
    "FrontierPoint",
    "GroundTruth",
    "LoggedDecisions",
    "LoggedRequest",
    "LoggedScore",
    "Objective",
    "PlannedAndRealised",
    "PredictionSet",
    "PredictionSource",
    "PredictionsManifest",
    "ReplayComparison",
    "RoutingResult",
    "RoutingScore",
    "RoutingSummary",
    "ScoreLogReader",
    "StoredPredictions",
    "finite_or_none",
    "format_usd",
    "load_predictions",
    "mix_accuracy",
    "mix_hull",
    "outcomes_of",
    "planned_score",
    "restrict_models",
    "route",
    "route_to_file",
    "score_json",
    "shard_file",
    "write_manifest",
    "write_shard",
]
