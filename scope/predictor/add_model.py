"""Add a model to a fitted bank, from its outcomes on some of the anchors."""

from dataclasses import replace

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray
from scope.bank import Bank
from scope.forecast import Forecaster, Head
from scope.outcomes import Outcomes
from scope.pool import ModelSpec
from scope.predictions import MIN_P
from scope.predictor.fit import round_float16
from scope.predictor.measurement_plan import (
    MeasurementLimits,
    check_n_measured,
    expected_cost_usd,
    fit_transfer,
    require_forecaster,
    select_within,
)
from scope.predictor.reference_population import predict_reference_population

PRIOR_STRENGTH = 10.0
"""Weight of the known models' smearing factor, in anchors."""


def add_model(bank: Bank, spec: ModelSpec, outcomes: Outcomes, limits: MeasurementLimits) -> Bank:
    """Return the bank with one more model; the other models are not refitted.

    The one exception is the prompt token regression, which is fitted to all models of a pool
    (`scope.forecast.prompt_tokens`): a new tokenizer moves it by 1 in 1,000 on average. A
    reasoner of the bank has no answers about the new model, so its answers change nothing for
    this model until the bank is fitted again.

    Parameters
    ----------
    bank : Bank
        A fitted one.
    spec : ModelSpec
    outcomes : Outcomes
        Of the new model alone, on the bank's questions; NaN where it was not measured. An
        outcome that lacks one of the three numbers is not used.
    limits : MeasurementLimits
        If more was measured than these allow, the most informative anchors are used.

    Raises
    ------
    BankError
        If the bank is not fitted, the model is in it, or too few outcomes are known.
    """
    forecaster = require_forecaster(bank, spec)
    index_n = forecaster.anchor_index_n
    known_n = _complete_rows(outcomes)[index_n]
    measured = np.flatnonzero(known_n)
    check_n_measured(len(measured), spec, "with outcome, prompt and completion tokens")
    if limits != MeasurementLimits():
        cost_usd_n = np.where(known_n, expected_cost_usd(bank, forecaster, spec), np.nan)
        measured = np.sort(select_within(bank, forecaster, cost_usd_n, limits).anchor_j)
        check_n_measured(len(measured), spec, "within the limits")
    outcomes = _mask_outcomes(outcomes, index_n[measured])
    extended = replace(
        bank,
        models=(*bank.models, spec),
        outcomes=_concatenate_models(bank.outcomes, outcomes),
        forecaster=_extend_forecaster(bank, forecaster, outcomes, measured),
        joint_forecaster=bank.joint_forecaster
        and _extend_forecaster(bank, bank.joint_forecaster, outcomes, measured),
        reasoner=bank.reasoner and bank.reasoner.with_new_model(),
        version="",
    )
    return replace(extended, reference=predict_reference_population(extended, bank.anchor_config))


def _complete_rows(outcomes: Outcomes) -> BoolArray:
    """Return on which questions the one model has all three numbers, shape (n_questions,)."""
    tokens_am = outcomes.prompt_tokens_am + outcomes.completion_tokens_am
    known_a: BoolArray = ~np.isnan(outcomes.correct_am + tokens_am)[:, 0]
    return known_a


def _extend_forecaster(
    bank: Bank, forecaster: Forecaster, outcomes: Outcomes, measured: IntArray
) -> Forecaster:
    """Return the forecaster with one more column in both heads."""
    index_n, known = forecaster.anchor_index_n, bank.outcomes
    loo_p_nm, loo_log_length_nm = forecaster.loo_p_nm, forecaster.loo_log_length_nm
    log_length_nm = np.log1p(known.completion_tokens_am[index_n])
    correct_j = outcomes.correct_am[index_n[measured], 0]
    tokens_j = outcomes.completion_tokens_am[index_n[measured], 0]
    correct, p_n = _extend_head(
        forecaster.correct, loo_p_nm, known.correct_am[index_n], measured, correct_j
    )
    length, length_n = _extend_head(
        forecaster.length, loo_log_length_nm, log_length_nm, measured, np.log1p(tokens_j)
    )
    smearing_u1 = _smearing_factors(forecaster.smearing_um, tokens_j, np.exp(length_n[measured]))
    p_n1 = round_float16(p_n.clip(MIN_P, 1 - MIN_P))[:, None]
    return replace(
        forecaster,
        correct=correct,
        length=length,
        smearing_um=np.hstack([forecaster.smearing_um, smearing_u1]),
        loo_p_nm=np.hstack([loo_p_nm, p_n1]),
        loo_log_length_nm=np.hstack([loo_log_length_nm, round_float16(length_n)[:, None]]),
    )


def _extend_head(
    head: Head,
    predicted_nm: FloatArray,
    outcome_nm: FloatArray,
    measured: IntArray,
    outcome_j: FloatArray,
) -> tuple[Head, FloatArray]:
    """Return the head with the new model, and its leave-one-out predictions of the anchors."""
    transfer, known = fit_transfer(head, predicted_nm, outcome_nm)
    combination = transfer.fit_model(measured, outcome_j)
    weight_b1 = round_float16(head.weight_bm[:, known] @ combination.weight_m)[:, None]
    category_c1 = (head.category_cm[:, known] @ combination.weight_m)[:, None]
    extended = Head(
        np.append(head.mean_m, combination.level),
        np.hstack([head.weight_bm, weight_b1]),
        np.hstack([head.category_cm, category_c1]),
    )
    return extended, combination.loo_n


def _smearing_factors(
    smearing_um: FloatArray, tokens_j: FloatArray, exp_length_j: FloatArray
) -> FloatArray:
    """Return the new model's column of `Forecaster.smearing_um`, shape (3, 1).

    The factor of the mean is the ratio of its tokens to the exponential of their predicted
    logs, shrunk toward the known models' factor by `PRIOR_STRENGTH` anchors. The measured
    anchors are too few to fit the quantiles: theirs are the known models', scaled alike.
    """
    known_u = np.nanmean(smearing_um, axis=1)
    prior = PRIOR_STRENGTH * exp_length_j.mean()
    smearing = (tokens_j.sum() + prior * known_u[0]) / (exp_length_j.sum() + prior)
    smearing_u1: FloatArray = (known_u * smearing / known_u[0])[:, None]
    return smearing_u1


def _mask_outcomes(outcomes: Outcomes, kept: IntArray) -> Outcomes:
    """Return the outcomes on some questions; the others are NaN."""
    kept_a = np.zeros(len(outcomes.correct_am), dtype=np.bool_)
    kept_a[kept] = True
    grids = (outcomes.correct_am, outcomes.prompt_tokens_am, outcomes.completion_tokens_am)
    return Outcomes(
        outcomes.models, *(np.where(kept_a[:, None], value_am, np.nan) for value_am in grids)
    )


def _concatenate_models(left: Outcomes, right: Outcomes) -> Outcomes:
    return Outcomes(
        (*left.models, *right.models),
        np.hstack([left.correct_am, right.correct_am]),
        np.hstack([left.prompt_tokens_am, right.prompt_tokens_am]),
        np.hstack([left.completion_tokens_am, right.completion_tokens_am]),
    )
