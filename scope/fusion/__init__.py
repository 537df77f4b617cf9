"""Blend the anchors' forecast with the reasoner's answers, and select the queries to make."""

from scope.fusion.blend import Blend
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.fusion.fit import fit_blend
from scope.fusion.fit_data import MIN_QUESTIONS, N_FOLDS
from scope.fusion.selective_query import QueryRule, SelectiveQuery

__all__ = [
    "MIN_QUESTIONS",
    "N_FOLDS",
    "Blend",
    "CalibratedReasoner",
    "QueryRule",
    "SelectiveQuery",
    "fit_blend",
]
