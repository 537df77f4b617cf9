"""Fit a bank with both of its encoders."""

from dataclasses import replace

import numpy as np

from scope.bank import Bank
from scope.errors import BankError
from scope.forecast import Projection
from scope.predictor.cross_validation import (
    fitted_anchors,
    log_loss,
    mean_over_anchors,
    out_of_fold_probabilities,
)
from scope.predictor.fit import fit_forecaster
from scope.sampling import hash_sample

LENGTHSCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Length scales of the second kernel that are tried, in cosine distance."""

MAX_SCALE_ANCHORS = 2_000
"""Anchors that the length scale is chosen on: its optimum is flat."""


def fit_second_encoder(fitted: Bank) -> tuple[Bank, float]:
    """Fit a bank with both of its encoders, beside its fit with the first alone.

    Parameters
    ----------
    fitted : Bank
        From `scope.predictor.fit_bank`, with the vectors of a second encoder.

    Returns
    -------
    bank : Bank
        With a joint forecaster; its forecast is not chosen and its routing gain not known yet.
    lengthscale : float
        Of the second kernel, that of `LENGTHSCALES` with the least leave-one-out log loss.

    Raises
    ------
    BankError
        If the bank has no vectors of a second encoder.
    """
    if fitted.second is None:
        raise BankError("the bank has no second encoder; build it with two --embedder")
    sample = np.array(hash_sample(fitted.ids, MAX_SCALE_ANCHORS), dtype=np.int64)
    part, projection = fitted.select_anchors(sample), Projection.fit(fitted.second.vector_ay)
    losses = [
        _loss(part, replace(projection, lengthscale=lengthscale)) for lengthscale in LENGTHSCALES
    ]
    lengthscale = LENGTHSCALES[int(np.argmin(losses))]
    joint = fit_forecaster(fitted, projection=replace(projection, lengthscale=lengthscale))
    return replace(fitted, joint_forecaster=joint, choice=None, routing_gain=None), lengthscale


def log_loss_gain(first: Bank, both: Bank) -> tuple[float, float]:
    """Return the out-of-fold log loss of one fit of a bank minus that of another.

    Returns
    -------
    gain : float
        In nats per known outcome; above 0 where `both` is better.
    error : float
        Its standard error, paired over anchors.
    """
    correct_nm = first.outcomes.correct_am[fitted_anchors(first)]
    first_nm, both_nm = (
        log_loss(out_of_fold_probabilities(bank), correct_nm) for bank in (first, both)
    )
    gain_nm = first_nm - both_nm
    known_nm = ~np.isnan(gain_nm)
    return mean_over_anchors(np.where(known_nm, gain_nm, 0.0).sum(axis=1), known_nm.sum(axis=1))


def _loss(bank: Bank, projection: Projection) -> float:
    """Return the mean leave-one-out log loss of the joint fit of a bank, in nats."""
    forecaster = fit_forecaster(bank, projection=projection)
    correct_nm = bank.outcomes.correct_am[forecaster.anchor_index_n]
    return float(np.nanmean(log_loss(forecaster.loo_p_nm, correct_nm)))
