"""Planned accuracy and cost of our router beside the realised ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.bank import Bank, fit_alpha_scale
from scope.evaluation.bootstrap import Interval
from scope.evaluation.strategies import ResampledOutcomes
from scope.policy import AlphaScale, Choices, ExpectedValue, plan_budget
from scope.predictions import Predictions
from scope.predictor import predict_reference_population
from scope.routing import format_usd, planned_score

PER_1K = 1_000
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class PlannedVsRealised:
    """One setting of our router: a budget or an alpha.

    Attributes
    ----------
    name : str
    planned_accuracy, planned_usd_per_1k : float
        Mean of the forecasts for the chosen models, the cost times `bill_ratio`.
    bill_ratio : float
        Real over planned bill of the anchors at the alpha of the setting; 1 if they show none.
    accuracy, usd_per_1k : Interval
        Realised.
    cost_ratio : Interval
        Realised cost over planned cost; NaN where the planned cost is 0.
    """

    name: str
    planned_accuracy: float
    planned_usd_per_1k: float
    bill_ratio: float
    accuracy: Interval
    usd_per_1k: Interval
    cost_ratio: Interval


def planned_vs_realised(
    bank: Bank, predictions: Predictions, outcomes: ResampledOutcomes, budgets_usd: FloatArray
) -> tuple[PlannedVsRealised, ...]:
    """Route at every budget and at `ALPHAS`, and compare plan and outcome.

    Parameters
    ----------
    bank : Bank
        Its reference population sets the alpha scale; it is predicted if there is none.
    predictions : Predictions
        Ours, for the questions of `outcomes`.
    outcomes : ResampledOutcomes
    budgets_usd : ndarray of shape (n_budgets,)
        USD a question; infinite ones are left out.
    """
    reference = bank.reference or predict_reference_population(bank, bank.anchor_config)
    scale = fit_alpha_scale(reference, bank.models)
    finite = budgets_usd[np.isfinite(budgets_usd)]
    rows = [*_by_budget(predictions, finite, scale), *_by_alpha(predictions, scale)]
    return tuple(
        _planned_vs_realised(name, predictions, choices, outcomes, bill_ratio)
        for name, choices, bill_ratio in rows
    )


def choices_at(predictions: Predictions, scale: AlphaScale, alpha: float) -> Choices:
    """Return the decisions at one alpha."""
    estimates = predictions.estimates
    policy = ExpectedValue(scale.trade_off(alpha))
    return policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)


def select_questions(predictions: Predictions, kept_q: BoolArray) -> Predictions:
    """Return the predictions for some of the questions."""
    estimates = predictions.estimates.select_questions(kept_q)
    ids = tuple(predictions.question_ids[q] for q in np.flatnonzero(kept_q))
    return Predictions(ids, predictions.models, estimates)


def _by_budget(
    predictions: Predictions, budgets_usd: FloatArray, scale: AlphaScale
) -> Iterator[tuple[str, Choices, float]]:
    n_questions = len(predictions.question_ids)
    for budget_usd in budgets_usd.tolist():
        plan = plan_budget(predictions, budget_usd * n_questions, scale)
        yield f"budget {format_usd(PER_1K * budget_usd)}", plan.choices, plan.bill_ratio


def _by_alpha(predictions: Predictions, scale: AlphaScale) -> Iterator[tuple[str, Choices, float]]:
    for alpha in ALPHAS:
        choices = choices_at(predictions, scale, alpha)
        yield f"alpha {alpha:g}", choices, scale.bill_ratio_at(alpha)


def _planned_vs_realised(
    name: str,
    predictions: Predictions,
    choices: Choices,
    outcomes: ResampledOutcomes,
    bill_ratio: float,
) -> PlannedVsRealised:
    plan = planned_score(predictions, choices).scale_cost(bill_ratio)
    cost_usd_r = outcomes.weight_rq @ choices.pick(outcomes.cost_usd_qm)
    forecast_usd_r = outcomes.weight_rq @ choices.pick(predictions.estimates.cost_usd_qm)
    planned_usd_r = bill_ratio * forecast_usd_r
    ratio_r = np.full_like(cost_usd_r, np.nan)
    np.divide(cost_usd_r, planned_usd_r, out=ratio_r, where=planned_usd_r > 0)
    return PlannedVsRealised(
        name,
        plan.accuracy,
        plan.usd_per_1k,
        bill_ratio,
        Interval.from_replicates(outcomes.weight_rq @ choices.pick(outcomes.correct_qm)),
        Interval.from_replicates(PER_1K * cost_usd_r),
        Interval.from_replicates(ratio_r),
    )
