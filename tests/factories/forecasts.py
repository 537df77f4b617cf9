"""Forecasts of single questions with their outcomes."""

import numpy as np

from scope.evaluation.weighted import WeightedPairs


def cells_of(forecast, outcome, weights=None):
    """One pair a question; without weights there is one replicate, the sample itself."""
    forecast, outcome = (np.array(part, dtype=float)[:, None] for part in (forecast, outcome))
    weights = np.ones((1, len(forecast))) if weights is None else np.array(weights, dtype=float)
    return WeightedPairs.from_forecasts(forecast, outcome, weights)
