"""Fit a bank, predict from a bank, and add a model to a bank."""

from scope.predictor.add_model import add_model
from scope.predictor.cross_validation import choose_forecast, out_of_fold_probabilities
from scope.predictor.measurement_plan import (
    MIN_MEASURED,
    MeasurementLimits,
    MeasurementPlan,
    plan_measurement,
)
from scope.predictor.predictor import N_REPORTED_ANCHORS, AnchorPredictor, Neighbours
from scope.predictor.reference_population import fit_bank, predict_reference_population
from scope.predictor.second_encoder import fit_second_encoder, log_loss_gain

__all__ = [
    "MIN_MEASURED",
    "N_REPORTED_ANCHORS",
    "AnchorPredictor",
    "MeasurementLimits",
    "MeasurementPlan",
    "Neighbours",
    "add_model",
    "choose_forecast",
    "fit_bank",
    "fit_second_encoder",
    "log_loss_gain",
    "out_of_fold_probabilities",
    "plan_measurement",
    "predict_reference_population",
]
