"""Twelve models that are kin: what is said of them, and what they did."""

import numpy as np

from scope.forecast.transfer import TransferModel

MEAN = np.linspace(0.3, 0.8, 12)
SLOPE = np.vstack([np.linspace(0.1, 0.4, 12), 0.1 * (np.arange(12) % 3 == np.c_[:3])])
"""How hard each model finds what is hard, and its favour for the one subject of three it knows."""


def pool(n=2000, *, seed=0, luck=0.1):
    """What is said of twelve models' outcomes on `n` anchors, and what came; luck is their own."""
    rng = np.random.default_rng(seed)
    predicted_nm = MEAN + rng.standard_normal((n, 4)) @ SLOPE
    return predicted_nm, predicted_nm + luck * rng.standard_normal(predicted_nm.shape)


def kinship_of(seed=0, n=60):
    predicted_nm, outcome_nm = pool(n, seed=seed)
    return TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm)
