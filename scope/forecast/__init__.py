"""Forecasts from anchors, on arrays alone: kNN, Gaussian process, categories, transfer."""

from scope.forecast.anchor_selection import AnchorSelection, select_anchors
from scope.forecast.categories import (
    CategoryClassifier,
    CategoryLabels,
    TextFeatureScaler,
    classifier_inputs,
)
from scope.forecast.forecast import TOKEN_QUANTILES, Forecast
from scope.forecast.forecaster import Forecaster, Head, mean_top_similarity
from scope.forecast.gaussian_process import GaussianProcess
from scope.forecast.kernel import EMBEDDING_LENGTHSCALE, Kernel, kernel_features, row_blocks
from scope.forecast.kernel_eigen import KernelEigen
from scope.forecast.knn import KNNForecaster
from scope.forecast.neighbour_statistics import (
    effective_sample_size,
    measured_anchors,
    similarity_weights,
    weighted_means,
)
from scope.forecast.projection import Projection, joint_features
from scope.forecast.prompt_tokens import PromptTokenRegression
from scope.forecast.transfer import TransferModel

__all__ = [
    "EMBEDDING_LENGTHSCALE",
    "TOKEN_QUANTILES",
    "AnchorSelection",
    "CategoryClassifier",
    "CategoryLabels",
    "Forecast",
    "Forecaster",
    "GaussianProcess",
    "Head",
    "KNNForecaster",
    "Kernel",
    "KernelEigen",
    "Projection",
    "PromptTokenRegression",
    "TextFeatureScaler",
    "TransferModel",
    "classifier_inputs",
    "effective_sample_size",
    "joint_features",
    "kernel_features",
    "mean_top_similarity",
    "measured_anchors",
    "row_blocks",
    "select_anchors",
    "similarity_weights",
    "weighted_means",
]
