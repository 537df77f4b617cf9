"""Allocate a budget over a set of questions to maximise the expected correct answers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scope.arrays import Int16Array, IntArray
from scope.errors import ConfigError, NoEvidenceError
from scope.policy.alpha_scale import AlphaScale
from scope.policy.hull import GreedyOrder, HullIncrements, Hulls
from scope.policy.policy import Choices
from scope.predictions import Predictions


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """The models that a budget pays for, before any of them runs.

    Attributes
    ----------
    choices : Choices
    trade_off : float
        Lambda at which the budget ends, correct answers per USD: all steps with a
        greater slope are taken.
    planned_cost_usd : float
        Sum of the predicted costs of the chosen models, times `bill_ratio`.
    bill_ratio : float
        Real over planned bill at the alpha of `trade_off`, as anchors show it; 1 if they do not.
    overshoot_usd : float
        Excess of the cheapest models over the budget; 0 if there is none.
    """

    choices: Choices
    trade_off: float
    planned_cost_usd: float
    bill_ratio: float
    overshoot_usd: float


@dataclass(frozen=True, slots=True)
class StreamedBudgetPlan:
    """A `BudgetPlan` for questions that are not in memory: the hull step of each question.

    Attributes
    ----------
    step_q : ndarray of int16, shape (n_questions,)
        Steps taken up the hull, in the order of the questions.
    trade_off, planned_cost_usd, bill_ratio, overshoot_usd : float
        As in a `BudgetPlan`.
    """

    step_q: Int16Array
    trade_off: float
    planned_cost_usd: float
    bill_ratio: float
    overshoot_usd: float

    def choose(self, predictions: Predictions, first: int = 0) -> Choices:
        """Return the choices for some of the questions; `first` is the index of the first one."""
        e = predictions.estimates
        step_q = self.step_q[first : first + len(predictions.question_ids)].astype(np.int64)
        model_q = Hulls.from_estimates(e.p_correct_qm, e.cost_usd_qm).models_at(step_q)
        return Choices(model_q, model_q >= 0)


def plan_budget(
    predictions: Predictions, budget_usd: float, alpha_scale: AlphaScale | None = None
) -> BudgetPlan:
    """Choose models so that the planned cost stays within `budget_usd`.

    Maximises the expected number of correct answers by the Lagrangian of the
    problem: ``argmax p - lambda * cost``, with lambda found by bisection over
    every value at which a choice changes. Steps of equal slope are taken in the
    order of the question ids, so that the cost falls short of the budget by less
    than one step. Where anchors show that real bills differ from the sums of the
    forecasts, the planned cost is that sum times their ratio at lambda; as many
    steps are taken as keep it within the budget.

    Parameters
    ----------
    predictions : Predictions
        For the allowed models; questions without known estimates get no choice.
    budget_usd : float
        For all questions together, >= 0.
    alpha_scale : AlphaScale, optional
        Of these models, with the ratio of real to planned bills; by default that is 1.

    Raises
    ------
    ConfigError
        If the budget is negative or not a number.
    NoEvidenceError
        If no question has known estimates.
    """
    plan = plan_budget_streamed([predictions], budget_usd, alpha_scale)
    choices = plan.choose(predictions)
    return BudgetPlan(
        choices, plan.trade_off, plan.planned_cost_usd, plan.bill_ratio, plan.overshoot_usd
    )


def plan_budget_streamed(
    shards: Iterable[Predictions], budget_usd: float, alpha_scale: AlphaScale | None = None
) -> StreamedBudgetPlan:
    """Plan a budget as `plan_budget` does, for predictions that come in shards.

    Only the hull steps and the id of each question stay in memory. Raises the same errors.
    """
    if not budget_usd >= 0:
        raise ConfigError(f"budget is {budget_usd} USD; expected at least 0")
    steps, rank_q = _collect_increments(shards)
    return _allocate(steps, steps.sort_by_slope(rank_q), budget_usd, alpha_scale)


def _collect_increments(shards: Iterable[Predictions]) -> tuple[HullIncrements, IntArray]:
    """Return the hull steps of all questions, and the rank of each question by id."""
    parts, ids = [], []
    models: tuple[str, ...] = ()
    for predictions in shards:
        estimates, models = predictions.estimates, predictions.models
        parts.append(
            HullIncrements.from_hulls(
                Hulls.from_estimates(estimates.p_correct_qm, estimates.cost_usd_qm)
            )
        )
        ids.append(pa.array(predictions.question_ids, pa.string()))
    steps = HullIncrements.concatenate(parts)
    if np.isnan(steps.base_usd_q).all():
        raise NoEvidenceError(f"no estimates for any of {', '.join(models)} on these questions")
    rank_q = pc.rank(pa.chunked_array(ids), tiebreaker="first").to_numpy()
    return steps, rank_q.astype(np.int64)


def _allocate(
    steps: HullIncrements, order: GreedyOrder, budget_usd: float, alpha_scale: AlphaScale | None
) -> StreamedBudgetPlan:
    """Take as many steps, in their order, as keep the planned cost within the budget."""
    ratio_n = None
    if alpha_scale is not None and alpha_scale.bill_ratio is not None:
        ratio_n = alpha_scale.bill_ratios(order.lambda_n)
    n_steps = order.n_affordable(budget_usd, ratio_n)
    while True:
        step_q = np.bincount(order.question_n[:n_steps], minlength=len(steps.base_usd_q))
        cost_usd_q = steps.cost_usd_q(step_q)
        ratio = 1.0 if ratio_n is None else float(ratio_n[n_steps])
        planned_usd = ratio * math.fsum(cost_usd_q[~np.isnan(cost_usd_q)])
        # The cumulative sum is rounded; the budget must hold for the exact sum.
        if planned_usd <= budget_usd or n_steps == 0:
            break
        n_steps -= 1
    overshoot_usd = max(planned_usd - budget_usd, 0.0)
    return StreamedBudgetPlan(
        step_q.astype(np.int16), order.lambda_after(n_steps), planned_usd, ratio, overshoot_usd
    )
