"""Learn from logged traffic: join scores with decisions, and grow a bank by them."""

from scope.traffic.feedback import LoggedFeedback, ModelFeedback, ScoredAnswer
from scope.traffic.grown_bank import (
    GrownBank,
    NewQuestion,
    grow_bank,
    questions_from_answers,
    questions_from_outcomes,
)

__all__ = [
    "GrownBank",
    "LoggedFeedback",
    "ModelFeedback",
    "NewQuestion",
    "ScoredAnswer",
    "grow_bank",
    "questions_from_answers",
    "questions_from_outcomes",
]
