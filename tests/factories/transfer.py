"""Twelve models with common latent factors: predictions and outcomes."""

import numpy as np

from scope.forecast.transfer import TransferModel

MEAN = np.linspace(0.3, 0.8, 12)
SLOPE = np.vstack([np.linspace(0.1, 0.4, 12), 0.1 * (np.arange(12) % 3 == np.c_[:3])])
"""Each model's loadings on four factors: difficulty, and one of three subjects."""


def pool(n=2000, *, seed=0, noise=0.1):
    """Predictions and outcomes of twelve models on `n` anchors; `noise` is independent."""
    rng = np.random.default_rng(seed)
    predicted_nm = MEAN + rng.standard_normal((n, 4)) @ SLOPE
    return predicted_nm, predicted_nm + noise * rng.standard_normal(predicted_nm.shape)


def transfer_model(seed=0, n=60):
    predicted_nm, outcome_nm = pool(n, seed=seed)
    return TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm)
