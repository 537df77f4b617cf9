"""Add a model to a bank that has learned, from its outcomes on some of the anchors."""

from dataclasses import dataclass, replace

import numpy as np

from scope.arrays import Bools, Floats, Ints
from scope.bank import Bank
from scope.choice import Choice, choose
from scope.errors import BankError
from scope.fitting import half
from scope.forecaster import LEAST_P, Forecaster, Head
from scope.kinship import Kinship
from scope.outcomes import Outcomes
from scope.pool import ModelSpec
from scope.population import calibrate
from scope.prompt_tokens import PromptTokens

MIN_MEASURED = 10
"""With fewer outcomes a new model is not placed, so no plan is smaller."""

WELL_MEASURED = 0.5
"""A model measured on a smaller share of the anchors than this, of those the best measured one
was, teaches nothing about others: nine coefficients are not learned from ten outcomes."""

PSEUDO_ANCHORS = 10.0
"""Weight of the known models' ratio of tokens to their exponential of mean logs, in anchors."""


@dataclass(frozen=True, slots=True)
class Limits:
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
class Plan:
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
    half_width_s: Floats
    cost_usd_s: Floats


def plan(bank: Bank, spec: ModelSpec, limits: Limits) -> Plan:
    """Choose the anchors whose outcomes would tell most about a new model.

    Raises
    ------
    BankError
        If the bank has not learned, the model is in it, or the limits leave too few anchors.
    """
    forecaster = _learned(bank, spec)
    price_n = _expected_usd(bank, forecaster, spec)
    choice = _choose(bank, forecaster, price_n, limits)
    _check_enough(len(choice.anchor_s), spec, "within the limits")
    ids = tuple(bank.ids[forecaster.place_n[n]] for n in choice.anchor_s)
    return Plan(ids, choice.half_width_s, price_n[choice.anchor_s])


def add_model(bank: Bank, spec: ModelSpec, outcomes: Outcomes, limits: Limits) -> Bank:
    """Return the bank with one more model; nothing of the others is fitted again.

    Only the count of prompt tokens is, as for every pool: one fit of what its models
    counted (`scope.prompt_tokens`); a new tokenizer moves it, by 1 in 1,000 on average.
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
    limits : Limits
        Where it was asked more than these allow, the most telling are taken.

    Raises
    ------
    BankError
        If the bank has not learned, the model is in it, or too few outcomes are known.
    """
    forecaster = _learned(bank, spec)
    place_n = forecaster.place_n
    known_n = _known(outcomes)[place_n]
    measured = np.flatnonzero(known_n)
    _check_enough(len(measured), spec, "with outcome, prompt and completion tokens")
    if limits != Limits():
        price_n = np.where(known_n, _expected_usd(bank, forecaster, spec), np.nan)
        measured = np.sort(_choose(bank, forecaster, price_n, limits).anchor_s)
        _check_enough(len(measured), spec, "within the limits")
    outcomes = _only(outcomes, place_n[measured])
    grown = replace(
        bank,
        models=(*bank.models, spec),
        outcomes=_beside(bank.outcomes, outcomes),
        forecaster=_grown(bank, forecaster, outcomes, measured),
        reasoner=bank.reasoner and bank.reasoner.with_unknown(),
        version="",
    )
    return replace(grown, calibration=calibrate(grown, bank.anchor_config))


def _learned(bank: Bank, spec: ModelSpec) -> Forecaster:
    if spec.id in bank.model_ids:
        raise BankError(f"model {spec.id!r} is in the bank already")
    if bank.forecaster is None:
        raise BankError("the bank has not learned from its outcomes; run `scope bank calibrate`")
    return bank.forecaster


def _known(outcomes: Outcomes) -> Bools:
    """Return where no number of the one model is missing, shape (n_questions,)."""
    tokens_am = outcomes.prompt_tokens_am + outcomes.completion_tokens_am
    known_a: Bools = ~np.isnan(outcomes.correct_am + tokens_am)[:, 0]
    return known_a


def _check_enough(n_anchors: int, spec: ModelSpec, which: str) -> None:
    if n_anchors < MIN_MEASURED:
        raise BankError(
            f"{n_anchors} anchors {which} to place {spec.id!r} by; "
            f"at least {MIN_MEASURED} are needed"
        )


def _kinship(head: Head, said_nm: Floats, outcome_nm: Floats) -> tuple[Kinship, Ints]:
    """Return what the well measured models share, and which they are."""
    n_measured_m = (~np.isnan(outcome_nm)).sum(axis=0)
    known = np.flatnonzero(n_measured_m >= WELL_MEASURED * n_measured_m.max())
    return Kinship.of(head.mean_m[known], said_nm[:, known], outcome_nm[:, known]), known


def _choose(bank: Bank, forecaster: Forecaster, price_n: Floats, limits: Limits) -> Choice:
    correct_nm = bank.outcomes.correct_am[forecaster.place_n]
    kinship, _ = _kinship(forecaster.correct, forecaster.left_out_p_nm, correct_nm)
    n_most = len(price_n) if limits.max_anchors is None else limits.max_anchors
    budget = np.inf if limits.budget_usd is None else limits.budget_usd
    return choose(kinship, price_n, (MIN_MEASURED, n_most), budget, limits.half_width)


def _expected_usd(bank: Bank, forecaster: Forecaster, spec: ModelSpec) -> Floats:
    """Return what asking each anchor will cost if the model is as wordy as the known ones, USD."""
    if np.isnan(bank.outcomes.prompt_tokens_am).all():
        raise BankError("no model of the bank has prompt tokens, so the bill cannot be foretold")
    prompt_tokens = PromptTokens(bank.features_af, bank.outcomes.prompt_tokens_am)
    prompt_n = np.nanmean(prompt_tokens.predict(bank.features_af[forecaster.place_n]), axis=1)
    tokens_nm = np.exp(forecaster.left_out_length_nm) * forecaster.factor_sm[0]
    return spec.cost_usd(prompt_n, np.nanmean(tokens_nm, axis=1))


def _grown(bank: Bank, forecaster: Forecaster, outcomes: Outcomes, measured: Ints) -> Forecaster:
    """Return the forecaster with one more column in both heads."""
    place_n, said_p_nm = forecaster.place_n, forecaster.left_out_p_nm
    said_length_nm, known = forecaster.left_out_length_nm, bank.outcomes
    length_nm = np.log1p(known.completion_tokens_am[place_n])
    correct_s = outcomes.correct_am[place_n[measured], 0]
    tokens_s = outcomes.completion_tokens_am[place_n[measured], 0]
    correct, p_n = _with_line(
        forecaster.correct, said_p_nm, known.correct_am[place_n], measured, correct_s
    )
    length, length_n = _with_line(
        forecaster.length, said_length_nm, length_nm, measured, np.log1p(tokens_s)
    )
    factor_s1 = _factor(forecaster.factor_sm, tokens_s, np.exp(length_n[measured]))
    p_n1 = half(p_n.clip(LEAST_P, 1 - LEAST_P))[:, None]
    return replace(
        forecaster,
        correct=correct,
        length=length,
        factor_sm=np.hstack([forecaster.factor_sm, factor_s1]),
        left_out_p_nm=np.hstack([said_p_nm, p_n1]),
        left_out_length_nm=np.hstack([said_length_nm, half(length_n)[:, None]]),
    )


def _with_line(
    head: Head, said_nm: Floats, outcome_nm: Floats, measured: Ints, outcome_s: Floats
) -> tuple[Head, Floats]:
    """Return the head with a new model as a mix of the known ones, and what it says of anchors."""
    kinship, known = _kinship(head, said_nm, outcome_nm)
    line = kinship.fit(measured, outcome_s)
    weight_n1 = half(head.weight_nm[:, known] @ line.mix_m)[:, None]
    category_c1 = (head.category_cm[:, known] @ line.mix_m)[:, None]
    grown = Head(
        np.append(head.mean_m, line.level),
        np.hstack([head.weight_nm, weight_n1]),
        np.hstack([head.category_cm, category_c1]),
    )
    return grown, line.left_out_n


def _factor(factor_sm: Floats, tokens_s: Floats, bare_s: Floats) -> Floats:
    """Return the new model's column of `Forecaster.factor_sm`, shape (3, 1).

    Its tokens over the exponential of their mean logs, drawn to the known models' ratio
    as by `PSEUDO_ANCHORS` more outcomes; too few were measured to learn the spread, which
    is the known models', moved likewise.
    """
    known_s = np.nanmean(factor_sm, axis=1)
    pseudo = PSEUDO_ANCHORS * bare_s.mean()
    smear = (tokens_s.sum() + pseudo * known_s[0]) / (bare_s.sum() + pseudo)
    factor_s1: Floats = (known_s * smear / known_s[0])[:, None]
    return factor_s1


def _only(outcomes: Outcomes, places: Ints) -> Outcomes:
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


def _beside(left: Outcomes, right: Outcomes) -> Outcomes:
    return Outcomes(
        (*left.models, *right.models),
        np.hstack([left.correct_am, right.correct_am]),
        np.hstack([left.prompt_tokens_am, right.prompt_tokens_am]),
        np.hstack([left.completion_tokens_am, right.completion_tokens_am]),
    )
