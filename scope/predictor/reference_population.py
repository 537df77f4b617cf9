"""Fit a bank: its forecaster, and the reference population of its alpha scale."""

from dataclasses import replace

import numpy as np

from scope.bank import Bank, ReferencePopulation
from scope.config import AnchorConfig
from scope.predictor.fit import fit_forecaster
from scope.predictor.predictor import AnchorPredictor
from scope.sampling import hash_sample

MAX_REFERENCE_SIZE = 1_000
"""Maximum number of sampled anchors; a mean cost over them has an error of a few percent."""


def fit_bank(bank: Bank) -> Bank:
    """Return the bank with a forecaster fitted to its outcomes, and its reference population.

    The weights of a reasoner, and what was fitted to several samples of a model, are dropped: they
    belong to the former forecasts.

    Raises
    ------
    BankError
        If there are too few anchors or outcomes.
    """
    models = tuple(model.without_fitted_samples() for model in bank.models)
    fitted = replace(
        bank,
        models=models,
        forecaster=fit_forecaster(bank),
        choice=None,
        routing_gain=None,
        joint_forecaster=None,
        second_gain=None,
        reasoner=None,
        version="",
    )
    config = bank.anchor_config.model_copy(update={"use_forecaster": True})
    return replace(fitted, reference=predict_reference_population(fitted, config))


def predict_reference_population(bank: Bank, config: AnchorConfig) -> ReferencePopulation:
    """Predict a sample of the bank's anchors, each left out of its own prediction.

    The sample is drawn by a hash of the ids, so it is the same for the same bank.
    """
    sample = np.array(hash_sample(bank.ids, MAX_REFERENCE_SIZE), dtype=np.int64)
    estimates, _ = AnchorPredictor(bank, config).predict(
        bank.embedding_ad[sample],
        bank.features_af[sample],
        sample,
        second_qy=bank.second_vectors(sample),
    )
    return ReferencePopulation(
        config,
        estimates.p_correct_qm,
        estimates.prompt_tokens_qm,
        estimates.completion_tokens_qm,
    )
