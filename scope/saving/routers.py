"""Choices of every router for the comparison with always one reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray
from scope.bank import Bank
from scope.baselines import BaselineForecast, BaselineInputs
from scope.evaluation import EvaluationSet, LambdaSweep, ResampledOutcomes
from scope.pool import indices_of
from scope.predictions import Predictions
from scope.routing import GroundTruth
from scope.saving.comparison import (
    N_CLASS,
    N_LABEL,
    AgainstReference,
    compare_with_reference,
)
from scope.saving.match_baselines import NClassBaseline, NLabelBaseline
from scope.saving.match_forecast import MatchForecast
from scope.saving.sweep import threshold_choices

THRESHOLD_RULE, TRADE_OFF_RULE = "P ≥ τ", "P − λ·cost"


@dataclass(frozen=True, slots=True)
class ReferenceRequest:
    """The reference, one of the bank's models, and learned routers relative to it."""

    reference: str
    learned: tuple[MatchForecast, ...] = ()

    @classmethod
    def for_bank(
        cls, bank: Bank, reference: str, learned: tuple[MatchForecast, ...] = ()
    ) -> "ReferenceRequest":
        """Check that the reference is a model of the bank.

        Raises
        ------
        UnknownModelError
            If it is not.
        """
        indices_of((reference,), bank.model_ids, "the bank")
        return cls(reference, learned)


def evaluate_against_reference(
    bank: Bank,
    test_set: EvaluationSet,
    predictions: Predictions,
    forecasts: Sequence[BaselineForecast],
    outcomes: ResampledOutcomes,
    request: ReferenceRequest,
) -> AgainstReference:
    """Compare all routers with always the reference.

    Parameters
    ----------
    bank : Bank
        N-label and N-class are fitted on its anchors.
    test_set : EvaluationSet
    predictions : Predictions
        Ours, for every question of the test set.
    forecasts : sequence of BaselineForecast
        Of a correct answer, ours first.
    outcomes : ResampledOutcomes
        Of the questions with all outcomes.
    request : ReferenceRequest

    Raises
    ------
    UnknownModelError
        If the reference is not a model of the bank.
    """
    (reference,) = indices_of((request.reference,), bank.model_ids, "the bank")
    complete_q = test_set.complete_q
    estimates = predictions.estimates.select_questions(complete_q)
    cost_usd_qm = estimates.cost_usd_qm
    match_qm = match_probability(estimates.p_correct_qm, reference)
    ours, *others = _trade_off_sweeps(forecasts, cost_usd_qm, complete_q).items()
    n_label, n_class = _fitted(bank, test_set, cost_usd_qm, reference)
    sweeps = {
        ours[0]: ours[1],
        f"{forecasts[0].name}, {THRESHOLD_RULE}": (
            "cheapest arm with P(match) = 1 − p(reference) (1 − p(arm)) of at least τ",
            threshold_choices(match_qm, cost_usd_qm, reference),
        ),
        **_learned_sweeps(request, complete_q, reference),
        f"{N_LABEL}, {THRESHOLD_RULE}": n_label,
        **dict(others),
    }
    return compare_with_reference(
        outcomes, bank.model_ids, request.reference, sweeps, {N_CLASS: n_class}
    )


def match_probability(p_correct_qm: FloatArray, reference: int) -> FloatArray:
    """Return the probability that an arm is at least as good as the reference.

    ``1 - p(reference) * (1 - p(arm))`` for right or wrong answers that are independent given
    the question; 1 for the reference.

    Examples
    --------
    >>> match_probability(np.array([[0.5, 0.8]]), 1)
    array([[0.6, 1. ]])
    """
    match_qm: FloatArray = 1 - p_correct_qm[:, [reference]] * (1 - p_correct_qm)
    match_qm[:, reference] = 1.0
    return match_qm


def _trade_off_sweeps(
    forecasts: Sequence[BaselineForecast], our_usd_qm: FloatArray, complete_q: BoolArray
) -> dict[str, tuple[str, IntArray]]:
    """Return the choices of ``argmax p - lambda * cost``, from lambda 0 to infinity."""
    sweeps = {}
    for forecast in forecasts:
        own = forecast.cost_usd_qm
        usd_qm = our_usd_qm if own is None else own[complete_q]
        sweep = LambdaSweep(forecast.p_correct_qm[complete_q], usd_qm)
        sweeps[f"{forecast.name}, {TRADE_OFF_RULE}"] = forecast.note, sweep.choices()[:, ::-1]
    return sweeps


def _learned_sweeps(
    request: ReferenceRequest, complete_q: BoolArray, reference: int
) -> dict[str, tuple[str, IntArray]]:
    """Return the choices of learned routers by both rules."""
    sweeps = {}
    for router in request.learned:
        p_qm, usd_qm = router.p_match_qm[complete_q], router.cost_usd_qm[complete_q]
        by_trade_off = LambdaSweep(p_qm, usd_qm).choices()[:, ::-1]
        by_threshold = threshold_choices(p_qm, usd_qm, reference)
        sweeps[f"{router.name}, {THRESHOLD_RULE}"] = router.note, by_threshold
        sweeps[f"{router.name}, {TRADE_OFF_RULE}"] = router.note, by_trade_off
    return sweeps


def _fitted(
    bank: Bank, test_set: EvaluationSet, cost_usd_qm: FloatArray, reference: int
) -> tuple[tuple[str, IntArray], tuple[str, IntArray]]:
    """Fit N-label and N-class on the anchors; return their notes and choices."""
    inputs = BaselineInputs.from_banks(bank, test_set, 0)
    design_qf = inputs.design_qf[test_set.complete_q]
    n_label = NLabelBaseline(inputs.training, inputs.validation_a, reference)
    mean_usd_m = np.nanmean(GroundTruth.from_outcomes(bank.outcomes, bank.models).cost_usd_qm, 0)
    n_class = NClassBaseline(inputs.training, mean_usd_m, n_label.strength)
    choices_qg = threshold_choices(n_label.predict(design_qf), cost_usd_qm, reference)
    what = f"on embedding and text features, C = {n_label.strength:g}"
    return (
        (f"a logistic regression per arm, label 1[at least as good], {what}", choices_qg),
        (f"softmax regression on the best arm, {what}", n_class.choose(design_qf)),
    )
