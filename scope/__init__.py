"""Foretell how every model of a pool would do on a question, and choose one.

Nothing here imports Ray, torch or an HTTP client; `scope.encoder` loads a model
when one is made.
"""

from pathlib import Path

from scope.bank import Bank
from scope.bank_store import load_bank, save_bank, verify_bank
from scope.budget import Plan, plan_budget
from scope.config import AnchorConfig
from scope.dial import Dial
from scope.errors import ScopeError
from scope.policy import Choices, ExpectedValue, MaxCost, MinQuality, permitted
from scope.pool import PUBLISHED_MODELS, PUBLISHED_POOLS, ModelSpec
from scope.predictions import Estimates, Predictions
from scope.predictor import AnchorPredictor
from scope.settings import ScopeConfig

DATA = Path(__file__).parent / "data"
EMBEDDED_BANK = DATA / "mmlu_pro_anchors"
"""A bank of MMLU-Pro questions and 17 models that comes with the package."""
EMBEDDED_QUESTIONS = DATA / "mmlu_pro_eval"
"""Labelled questions of the same source, none of them in the bank."""

__all__ = [
    "EMBEDDED_BANK",
    "EMBEDDED_QUESTIONS",
    "PUBLISHED_MODELS",
    "PUBLISHED_POOLS",
    "AnchorConfig",
    "AnchorPredictor",
    "Bank",
    "Choices",
    "Dial",
    "Estimates",
    "ExpectedValue",
    "MaxCost",
    "MinQuality",
    "ModelSpec",
    "Plan",
    "Predictions",
    "ScopeConfig",
    "ScopeError",
    "load_bank",
    "permitted",
    "plan_budget",
    "save_bank",
    "verify_bank",
]
