"""Make the decision for a request: predict, query the reasoner, choose, apply the session."""

from deployments.routing.chooser import PolicyChooser
from deployments.routing.fallback_predictor import FallbackPredictor
from deployments.routing.prediction_cache import PredictionCache

__all__ = [
    "FallbackPredictor",
    "PolicyChooser",
    "PredictionCache",
]
