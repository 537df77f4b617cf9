"""Routers to compare with, each fitted on the anchors of a bank alone."""

from scope.baselines.baselines import BASELINES, BaselineForecast, BaselineInputs, fit_baselines
from scope.baselines.inputs import TrainingSet
from scope.baselines.logistic import LogisticBaseline

__all__ = [
    "BASELINES",
    "BaselineForecast",
    "BaselineInputs",
    "LogisticBaseline",
    "TrainingSet",
    "fit_baselines",
]
