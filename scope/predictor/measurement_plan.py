"""Plan which anchors to measure a new model on, and what that will cost."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.errors import BankError
from scope.forecast import (
    AnchorSelection,
    Forecaster,
    Head,
    PromptTokenRegression,
    TransferModel,
    select_anchors,
)
from scope.pool import ModelSpec

MIN_MEASURED = 10
"""Fewest measured anchors for a new model; no plan is smaller."""

MIN_COVERAGE = 0.5
"""Known models measured on fewer anchors than this share of the best measured one are left out of
the transfer prior: nine coefficients cannot be fitted to ten outcomes."""


@dataclass(frozen=True, slots=True)
class MeasurementLimits:
    """Limits on the measurement of a new model.

    Attributes
    ----------
    max_anchors : int or None
    budget_usd : float or None
        Limit on the sum of the expected costs.
    half_width : float
        Measurement stops once half the 90 % interval of p(correct), root mean square over
        questions, is at most this, but never before `MIN_MEASURED` anchors.
    """

    max_anchors: int | None = None
    budget_usd: float | None = None
    half_width: float = 0.0


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """Anchors to measure a new model on, most informative first, with their expected costs.

    Attributes
    ----------
    ids : tuple of str
    half_width_j : ndarray of shape (n_selected,)
        Half the 90 % interval of p(correct) after each anchor, root mean square over questions.
    cost_usd_j : ndarray of shape (n_selected,)
        Expected cost of each anchor, USD.
    """

    ids: tuple[str, ...]
    half_width_j: FloatArray
    cost_usd_j: FloatArray


def plan_measurement(
    bank: Bank, spec: ModelSpec, limits: MeasurementLimits, among: Collection[str] | None = None
) -> MeasurementPlan:
    """Select the anchors whose outcomes are most informative about a new model.

    Parameters
    ----------
    bank : Bank
        A fitted one.
    spec : ModelSpec
    limits : MeasurementLimits
    among : collection of str, optional
        Ids of the anchors that can be measured; None: all.

    Raises
    ------
    BankError
        If the bank is not fitted, the model is in it, or the limits leave too few anchors.
    """
    forecaster = require_forecaster(bank, spec)
    cost_usd_n = expected_cost_usd(bank, forecaster, spec)
    if among is not None:
        allowed = set(among)
        allowed_n = np.array([bank.ids[a] in allowed for a in forecaster.anchor_index_n])
        cost_usd_n = np.where(allowed_n, cost_usd_n, np.nan)
    selection = select_within(bank, forecaster, cost_usd_n, limits)
    check_n_measured(len(selection.anchor_j), spec, "within the limits")
    ids = tuple(bank.ids[forecaster.anchor_index_n[n]] for n in selection.anchor_j)
    return MeasurementPlan(ids, selection.half_width_j, cost_usd_n[selection.anchor_j])


def require_forecaster(bank: Bank, spec: ModelSpec) -> Forecaster:
    """Return the bank's forecaster.

    Raises
    ------
    BankError
        If the model is in the bank already, or the bank is not fitted.
    """
    if spec.id in bank.model_ids:
        raise BankError(f"model {spec.id!r} is in the bank already")
    if bank.forecaster is None:
        raise BankError("the bank has no forecaster; run `scope bank fit`")
    return bank.forecaster


def check_n_measured(n_anchors: int, spec: ModelSpec, which: str) -> None:
    """Raise `BankError` if a new model has fewer than `MIN_MEASURED` anchors."""
    if n_anchors < MIN_MEASURED:
        raise BankError(
            f"{n_anchors} anchors {which} for {spec.id!r}; at least {MIN_MEASURED} are needed"
        )


def expected_cost_usd(bank: Bank, forecaster: Forecaster, spec: ModelSpec) -> FloatArray:
    """Return the expected cost of each fitted anchor, USD, at the known models' mean length.

    Raises
    ------
    BankError
        If no model of the bank has prompt tokens.
    """
    if np.isnan(bank.outcomes.prompt_tokens_am).all():
        raise BankError("no model of the bank has prompt tokens, so no cost can be predicted")
    regression = PromptTokenRegression(bank.features_af, bank.outcomes.prompt_tokens_am)
    prompt_nm = regression.predict(bank.features_af[forecaster.anchor_index_n])
    tokens_nm = np.exp(forecaster.loo_log_length_nm) * forecaster.smearing_um[0]
    return spec.cost_usd(np.nanmean(prompt_nm, axis=1), np.nanmean(tokens_nm, axis=1))


def select_within(
    bank: Bank, forecaster: Forecaster, cost_usd_n: FloatArray, limits: MeasurementLimits
) -> AnchorSelection:
    """Select anchors within limits; those of NaN cost are never selected."""
    correct_nm = bank.outcomes.correct_am[forecaster.anchor_index_n]
    transfer, _ = fit_transfer(forecaster.correct, forecaster.loo_p_nm, correct_nm)
    max_anchors = len(cost_usd_n) if limits.max_anchors is None else limits.max_anchors
    budget_usd = np.inf if limits.budget_usd is None else limits.budget_usd
    return select_anchors(
        transfer, cost_usd_n, (MIN_MEASURED, max_anchors), budget_usd, limits.half_width
    )


def fit_transfer(
    head: Head, predicted_nm: FloatArray, outcome_nm: FloatArray
) -> tuple[TransferModel, IntArray]:
    """Fit the transfer prior to the well measured models; return it and their columns."""
    n_measured_m = (~np.isnan(outcome_nm)).sum(axis=0)
    known = np.flatnonzero(n_measured_m >= MIN_COVERAGE * n_measured_m.max())
    return TransferModel.fit_prior(
        head.mean_m[known], predicted_nm[:, known], outcome_nm[:, known]
    ), known
