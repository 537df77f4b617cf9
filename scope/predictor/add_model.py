"""Add a model to a bank that has learned, from its outcomes on some of the anchors."""

from dataclasses import dataclass, replace

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray
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
from scope.outcomes import Outcomes
from scope.pool import ModelSpec
from scope.predictions import MIN_P
from scope.predictor.fit import round_float16
from scope.predictor.reference_population import predict_reference_population

MIN_MEASURED = 10
"""With fewer outcomes a new model is not placed, so no plan is smaller."""

MIN_COVERAGE = 0.5
"""A model measured on a smaller share of the anchors than this, of those the best measured one
was, teaches nothing about others: nine coefficients are not learned from ten outcomes."""

PRIOR_STRENGTH = 10.0
"""Weight of the known models' ratio of tokens to their exponential of mean logs, in anchors."""


@dataclass(frozen=True, slots=True)
class MeasurementLimits:
    """What may be spent on measuring a new model.

    Attributes
    ----------
    max_anchors : int or None
    budget_usd : float or None
        Against expected prices.
    half_width : float
        Of the 90 % interval of p(correct), root mean square over questions, at which measuring
        stops; never before `MIN_MEASURED` anchors.
    """

    max_anchors: int | None = None
    budget_usd: float | None = None
    half_width: float = 0.0


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """Anchors to ask a new model, the most telling first, and the bill.

    Attributes
    ----------
    ids : tuple of str
    half_width_s : ndarray of shape (n_chosen,)
        Half the 90 % interval of p(correct) after each, root mean square over questions.
    cost_usd_s : ndarray of shape (n_chosen,)
        What each is expected to cost, USD.
    """

    ids: tuple[str, ...]
    half_width_s: FloatArray
    cost_usd_s: FloatArray


def plan_measurement(bank: Bank, spec: ModelSpec, limits: MeasurementLimits) -> MeasurementPlan:
    """Choose the anchors whose outcomes would tell most about a new model.

    Raises
    ------
    BankError
        If the bank has not learned, the model is in it, or the limits leave too few anchors.
    """
    forecaster = _require_forecaster(bank, spec)
    price_n = _expected_usd(bank, forecaster, spec)
    choice = _choose(bank, forecaster, price_n, limits)
    _check_enough(len(choice.anchor_s), spec, "within the limits")
    ids = tuple(bank.ids[forecaster.anchor_index_n[n]] for n in choice.anchor_s)
    return MeasurementPlan(ids, choice.half_width_s, price_n[choice.anchor_s])


def add_model(bank: Bank, spec: ModelSpec, outcomes: Outcomes, limits: MeasurementLimits) -> Bank:
    """Return the bank with one more model; nothing of the others is fitted again.

    Only the count of prompt tokens is, as for every pool: one fit of what its models
    counted (`scope.forecast.prompt_tokens`); a new tokenizer moves it, by 1 in 1,000 on average.
    A reasoner of the bank was never asked about the new model: what it may say of it changes
    nothing until the bank is calibrated with it again.

    Parameters
    ----------
    bank : Bank
        One that has learned.
    spec : ModelSpec
    outcomes : Outcomes
        Of the new model alone, on the bank's questions; NaN where it was not asked. One
        without all three numbers is not used, and counts as never run.
    limits : MeasurementLimits
        Where it was asked more than these allow, the most telling are taken.

    Raises
    ------
    BankError
        If the bank has not learned, the model is in it, or too few outcomes are known.
    """
    forecaster = _require_forecaster(bank, spec)
    place_n = forecaster.anchor_index_n
    known_n = _complete_rows(outcomes)[place_n]
    measured = np.flatnonzero(known_n)
    _check_enough(len(measured), spec, "with outcome, prompt and completion tokens")
    if limits != MeasurementLimits():
        price_n = np.where(known_n, _expected_usd(bank, forecaster, spec), np.nan)
        measured = np.sort(_choose(bank, forecaster, price_n, limits).anchor_s)
        _check_enough(len(measured), spec, "within the limits")
    outcomes = _mask_outcomes(outcomes, place_n[measured])
    grown = replace(
        bank,
        models=(*bank.models, spec),
        outcomes=_concatenate_models(bank.outcomes, outcomes),
        forecaster=_extend_forecaster(bank, forecaster, outcomes, measured),
        reasoner=bank.reasoner and bank.reasoner.with_new_model(),
        version="",
    )
    return replace(grown, reference=predict_reference_population(grown, bank.anchor_config))


def _require_forecaster(bank: Bank, spec: ModelSpec) -> Forecaster:
    if spec.id in bank.model_ids:
        raise BankError(f"model {spec.id!r} is in the bank already")
    if bank.forecaster is None:
        raise BankError("the bank has not learned from its outcomes; run `scope bank fit`")
    return bank.forecaster


def _complete_rows(outcomes: Outcomes) -> BoolArray:
    """Return where no number of the one model is missing, shape (n_questions,)."""
    tokens_am = outcomes.prompt_tokens_am + outcomes.completion_tokens_am
    known_a: BoolArray = ~np.isnan(outcomes.correct_am + tokens_am)[:, 0]
    return known_a


def _check_enough(n_anchors: int, spec: ModelSpec, which: str) -> None:
    if n_anchors < MIN_MEASURED:
        raise BankError(
            f"{n_anchors} anchors {which} to place {spec.id!r} by; "
            f"at least {MIN_MEASURED} are needed"
        )


def _fit_transfer(
    head: Head, predicted_nm: FloatArray, outcome_nm: FloatArray
) -> tuple[TransferModel, IntArray]:
    """Return what the well measured models share, and which they are."""
    n_measured_m = (~np.isnan(outcome_nm)).sum(axis=0)
    known = np.flatnonzero(n_measured_m >= MIN_COVERAGE * n_measured_m.max())
    return TransferModel.fit_prior(
        head.mean_m[known], predicted_nm[:, known], outcome_nm[:, known]
    ), known


def _choose(
    bank: Bank, forecaster: Forecaster, price_n: FloatArray, limits: MeasurementLimits
) -> AnchorSelection:
    correct_nm = bank.outcomes.correct_am[forecaster.anchor_index_n]
    kinship, _ = _fit_transfer(forecaster.correct, forecaster.loo_p_nm, correct_nm)
    n_most = len(price_n) if limits.max_anchors is None else limits.max_anchors
    budget = np.inf if limits.budget_usd is None else limits.budget_usd
    return select_anchors(kinship, price_n, (MIN_MEASURED, n_most), budget, limits.half_width)


def _expected_usd(bank: Bank, forecaster: Forecaster, spec: ModelSpec) -> FloatArray:
    """Return what asking each anchor will cost if the model is as wordy as the known ones, USD."""
    if np.isnan(bank.outcomes.prompt_tokens_am).all():
        raise BankError("no model of the bank has prompt tokens, so the bill cannot be foretold")
    prompt_tokens = PromptTokenRegression(bank.features_af, bank.outcomes.prompt_tokens_am)
    prompt_n = np.nanmean(
        prompt_tokens.predict(bank.features_af[forecaster.anchor_index_n]), axis=1
    )
    tokens_nm = np.exp(forecaster.loo_log_length_nm) * forecaster.smearing_sm[0]
    return spec.cost_usd(prompt_n, np.nanmean(tokens_nm, axis=1))


def _extend_forecaster(
    bank: Bank, forecaster: Forecaster, outcomes: Outcomes, measured: IntArray
) -> Forecaster:
    """Return the forecaster with one more column in both heads."""
    place_n, said_p_nm = forecaster.anchor_index_n, forecaster.loo_p_nm
    said_length_nm, known = forecaster.loo_log_length_nm, bank.outcomes
    length_nm = np.log1p(known.completion_tokens_am[place_n])
    correct_s = outcomes.correct_am[place_n[measured], 0]
    tokens_s = outcomes.completion_tokens_am[place_n[measured], 0]
    correct, p_n = _extend_head(
        forecaster.correct, said_p_nm, known.correct_am[place_n], measured, correct_s
    )
    length, length_n = _extend_head(
        forecaster.length, said_length_nm, length_nm, measured, np.log1p(tokens_s)
    )
    factor_s1 = _smearing_factor(forecaster.smearing_sm, tokens_s, np.exp(length_n[measured]))
    p_n1 = round_float16(p_n.clip(MIN_P, 1 - MIN_P))[:, None]
    return replace(
        forecaster,
        correct=correct,
        length=length,
        smearing_sm=np.hstack([forecaster.smearing_sm, factor_s1]),
        loo_p_nm=np.hstack([said_p_nm, p_n1]),
        loo_log_length_nm=np.hstack([said_length_nm, round_float16(length_n)[:, None]]),
    )


def _extend_head(
    head: Head,
    predicted_nm: FloatArray,
    outcome_nm: FloatArray,
    measured: IntArray,
    outcome_s: FloatArray,
) -> tuple[Head, FloatArray]:
    """Return the head with a new model as a mix of the known ones, and what it says of anchors."""
    kinship, known = _fit_transfer(head, predicted_nm, outcome_nm)
    line = kinship.fit_model(measured, outcome_s)
    weight_n1 = round_float16(head.weight_nm[:, known] @ line.weight_m)[:, None]
    category_c1 = (head.category_cm[:, known] @ line.weight_m)[:, None]
    grown = Head(
        np.append(head.mean_m, line.level),
        np.hstack([head.weight_nm, weight_n1]),
        np.hstack([head.category_cm, category_c1]),
    )
    return grown, line.loo_n


def _smearing_factor(
    smearing_sm: FloatArray, tokens_s: FloatArray, bare_s: FloatArray
) -> FloatArray:
    """Return the new model's column of `Forecaster.smearing_sm`, shape (3, 1).

    Its tokens over the exponential of their mean logs, drawn to the known models' ratio
    as by `PRIOR_STRENGTHS` more outcomes; too few were measured to learn the spread, which
    is the known models', moved likewise.
    """
    known_s = np.nanmean(smearing_sm, axis=1)
    pseudo = PRIOR_STRENGTH * bare_s.mean()
    smear = (tokens_s.sum() + pseudo * known_s[0]) / (bare_s.sum() + pseudo)
    factor_s1: FloatArray = (known_s * smear / known_s[0])[:, None]
    return factor_s1


def _mask_outcomes(outcomes: Outcomes, places: IntArray) -> Outcomes:
    """Return the outcomes at some questions; all others count as never run."""
    asked = np.zeros(len(outcomes.correct_am), dtype=np.bool_)
    asked[places] = True
    kept = (
        np.where(asked[:, None], values_am, np.nan)
        for values_am in (
            outcomes.correct_am,
            outcomes.prompt_tokens_am,
            outcomes.completion_tokens_am,
        )
    )
    return Outcomes(outcomes.models, *kept)


def _concatenate_models(left: Outcomes, right: Outcomes) -> Outcomes:
    return Outcomes(
        (*left.models, *right.models),
        np.hstack([left.correct_am, right.correct_am]),
        np.hstack([left.prompt_tokens_am, right.prompt_tokens_am]),
        np.hstack([left.completion_tokens_am, right.completion_tokens_am]),
    )
