"""Allocate a budget over a set of questions to maximise the expected correct answers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scope.arrays import Int16Array, IntArray
from scope.errors import ConfigError, NoEvidenceError
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
        Sum of the predicted costs of the chosen models.
    overshoot_usd : float
        Excess of the cheapest models over the budget; 0 if there is none.
    """

    choices: Choices
    trade_off: float
    planned_cost_usd: float
    overshoot_usd: float


@dataclass(frozen=True, slots=True)
class StreamedBudgetPlan:
    """A `BudgetPlan` for questions that are not in memory: the hull step of each question.

    Attributes
    ----------
    step_q : ndarray of int16, shape (n_questions,)
        Steps taken up the hull, in the order of the questions.
    trade_off, planned_cost_usd, overshoot_usd : float
        As in a `BudgetPlan`.
    """

    step_q: Int16Array
    trade_off: float
    planned_cost_usd: float
    overshoot_usd: float

    def choose(self, predictions: Predictions, first: int = 0) -> Choices:
        """Return the choices for some of the questions; `first` is the index of the first one."""
        e = predictions.estimates
        step_q = self.step_q[first : first + len(predictions.question_ids)].astype(np.int64)
        model_q = Hulls.from_estimates(e.p_correct_qm, e.cost_usd_qm).models_at(step_q)
        return Choices(model_q, model_q >= 0)


def plan_budget(predictions: Predictions, budget_usd: float) -> BudgetPlan:
    """Choose models so that the predicted cost stays within `budget_usd`.

    Maximises the expected number of correct answers by the Lagrangian of the
    problem: ``argmax p - lambda * cost``, with lambda found by bisection over
    every value at which a choice changes. Steps of equal slope are taken in the
    order of the question ids, so that the cost falls short of the budget by less
    than one step.

    Parameters
    ----------
    predictions : Predictions
        For the allowed models; questions without known estimates get no choice.
    budget_usd : float
        For all questions together, >= 0.

    Raises
    ------
    ConfigError
        If the budget is negative or not a number.
    NoEvidenceError
        If no question has known estimates.
    """
    plan = plan_budget_streamed([predictions], budget_usd)
    choices = plan.choose(predictions)
    return BudgetPlan(choices, plan.trade_off, plan.planned_cost_usd, plan.overshoot_usd)


def plan_budget_streamed(shards: Iterable[Predictions], budget_usd: float) -> StreamedBudgetPlan:
    """Plan a budget as `plan_budget` does, for predictions that come in shards.

    Only the hull steps and the id of each question stay in memory. Raises the same errors.
    """
    if not budget_usd >= 0:
        raise ConfigError(f"budget is {budget_usd} USD; expected at least 0")
    steps, rank_q = _collect_increments(shards)
    return _allocate(steps, steps.sort_by_slope(rank_q), budget_usd)


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


def _allocate(steps: HullIncrements, order: GreedyOrder, budget_usd: float) -> StreamedBudgetPlan:
    """Take the steps in their order while their cost is within the budget."""
    n_steps = order.n_affordable(budget_usd)
    while True:
        step_q = np.bincount(order.question_n[:n_steps], minlength=len(steps.base_usd_q))
        cost_usd_q = steps.cost_usd_q(step_q)
        planned_usd = math.fsum(cost_usd_q[~np.isnan(cost_usd_q)])
        # The cumulative sum is rounded; the budget must hold for the exact sum.
        if planned_usd <= budget_usd or n_steps == 0:
            break
        n_steps -= 1
    overshoot_usd = max(planned_usd - budget_usd, 0.0)
    return StreamedBudgetPlan(
        step_q.astype(np.int16), order.lambda_after(n_steps), planned_usd, overshoot_usd
    )
