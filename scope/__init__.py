"""Predict how every model of a pool will do on a question, and choose one.

Nothing here imports Ray, torch or an HTTP client; `scope.embedding.encoder` imports torch when
an encoder is created.
"""

from pathlib import Path

from scope.bank import Bank, load_bank, save_bank, verify_bank
from scope.config import AnchorConfig
from scope.embedding import Encoder, text_features
from scope.errors import ScopeError
from scope.policy import (
    AlphaScale,
    Choices,
    ExpectedValue,
    MaxCost,
    MinQuality,
    filter_models,
    plan_budget,
)
from scope.policy.budget import BudgetPlan
from scope.pool import PUBLISHED_MODELS, PUBLISHED_POOLS, ModelSpec
from scope.predictions import Estimates, Predictions
from scope.predictor import AnchorPredictor
from scope.routing import Objective, PredictionSet, route

BANKS = Path(__file__).parent / "banks"
EMBEDDED_BANK = BANKS / "mmlu_pro_anchors"
"""A bank of MMLU-Pro questions and 17 models, part of the package."""
EMBEDDED_QUESTIONS = BANKS / "mmlu_pro_eval"
"""Labelled questions of the same source; none is in the bank."""
EMBEDDED_SAMPLES = Path(__file__).parent / "embedded_samples"
"""Questions, graded samples of two small LLMs, and assumed prices: what learned routers read."""
STARTER_QUESTIONS = Path(__file__).parent / "starter" / "questions.jsonl"
"""Texts and gold answers of 700 anchors, the most informative about a new model first."""

__all__ = [
    "EMBEDDED_BANK",
    "EMBEDDED_QUESTIONS",
    "EMBEDDED_SAMPLES",
    "PUBLISHED_MODELS",
    "PUBLISHED_POOLS",
    "STARTER_QUESTIONS",
    "AlphaScale",
    "AnchorConfig",
    "AnchorPredictor",
    "Bank",
    "BudgetPlan",
    "Choices",
    "Encoder",
    "Estimates",
    "ExpectedValue",
    "MaxCost",
    "MinQuality",
    "ModelSpec",
    "Objective",
    "PredictionSet",
    "Predictions",
    "ScopeError",
    "filter_models",
    "load_bank",
    "plan_budget",
    "route",
    "save_bank",
    "text_features",
    "verify_bank",
]
