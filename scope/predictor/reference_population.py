"""Calibrate a bank on itself: no anchor ever has a say in what is foretold of it."""

from dataclasses import replace

import numpy as np

from scope.bank import Bank, ReferencePopulation
from scope.config import AnchorConfig
from scope.predictor.fit import fit_forecaster
from scope.predictor.predictor import AnchorPredictor
from scope.sampling import hash_sample

MAX_REFERENCE_SIZE = 1_000
"""Anchors that stand for the questions to come; a mean bill over them is good to a few percent."""


def fit_bank(bank: Bank) -> Bank:
    """Return the bank with a forecaster learned from its outcomes, and the dial that fits it.

    What a reasoner had earned beside other forecasts is dropped.

    Raises
    ------
    BankError
        If there is too little to learn from.
    """
    learned = replace(bank, forecaster=fit_forecaster(bank), reasoner=None, version="")
    config = bank.anchor_config.model_copy(update={"use_forecaster": True})
    return replace(learned, reference=predict_reference_population(learned, config))


def predict_reference_population(bank: Bank, config: AnchorConfig) -> ReferencePopulation:
    """Predict a sample of the bank's anchors from the others.

    The sample is drawn by a hash of the anchors' ids: the same for the same bank.
    """
    sample = np.array(hash_sample(bank.ids, MAX_REFERENCE_SIZE), dtype=np.int64)
    estimates, _ = AnchorPredictor(bank, config).predict(
        bank.embedding_ad[sample], bank.features_af[sample], sample
    )
    return ReferencePopulation(
        config,
        estimates.p_correct_qm,
        estimates.prompt_tokens_qm,
        estimates.completion_tokens_qm,
    )
