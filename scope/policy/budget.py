"""Spend a budget on a set of questions where it buys most."""

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
    """What a budget buys, before any model runs.

    Attributes
    ----------
    choices : Choices
    trade_off : float
        Lambda at which money ran out: a correct answer per USD. Steps that buy
        more were all taken.
    planned_cost_usd : float
        Sum of the predicted costs of the chosen models.
    overshoot_usd : float
        By how much even the cheapest models exceed the budget; else 0.
    """

    choices: Choices
    trade_off: float
    planned_cost_usd: float
    overshoot_usd: float


@dataclass(frozen=True, slots=True)
class StreamedBudgetPlan:
    """The same of questions that need not be in memory: how far up its hull each one goes.

    Attributes
    ----------
    step_q : ndarray of int16, shape (n_questions,)
        Steps taken, in the order in which the questions came.
    trade_off, planned_cost_usd, overshoot_usd : float
        As in a `BudgetPlan`.
    """

    step_q: Int16Array
    trade_off: float
    planned_cost_usd: float
    overshoot_usd: float

    def choose(self, predictions: Predictions, first: int = 0) -> Choices:
        """Return the choices for some of the questions, the `first` of which is given."""
        e = predictions.estimates
        step_q = self.step_q[first : first + len(predictions.question_ids)].astype(np.int64)
        model_q = Hulls.from_estimates(e.p_correct_qm, e.cost_usd_qm).models_at(step_q)
        return Choices(model_q, model_q >= 0)


def plan_budget(predictions: Predictions, budget_usd: float) -> BudgetPlan:
    """Choose models so that the predicted bill stays within `budget_usd`.

    Maximises the expected number of right answers by the Lagrangian of the
    problem: ``argmax p - lambda * cost``, with lambda found by bisection over
    every value at which a choice changes. Questions whose next step is equally
    good are served in the order of their ids, so that the bill misses the
    budget by less than one question's step.

    Parameters
    ----------
    predictions : Predictions
        Of the allowed models; questions about which nothing is known are left
        without a choice.
    budget_usd : float
        For all questions together, >= 0.

    Raises
    ------
    ConfigError
        If the budget is negative or not a number.
    NoEvidenceError
        If nothing is known about any question.
    """
    spent = plan_budget_streamed([predictions], budget_usd)
    choices = spent.choose(predictions)
    return BudgetPlan(choices, spent.trade_off, spent.planned_cost_usd, spent.overshoot_usd)


def plan_budget_streamed(shards: Iterable[Predictions], budget_usd: float) -> StreamedBudgetPlan:
    """Do what `plan_budget` does for questions that come in portions.

    Of a question only its steps and its id are held. Raises the same errors.
    """
    if not budget_usd >= 0:
        raise ConfigError(f"budget is {budget_usd} USD; expected at least 0")
    steps, rank_q = _collect_increments(shards)
    return _allocate(steps, steps.sort_by_slope(rank_q), budget_usd)


def _collect_increments(shards: Iterable[Predictions]) -> tuple[HullIncrements, IntArray]:
    """Return the steps of all questions, and each one's place when all are sorted by id."""
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
        raise NoEvidenceError(
            f"nothing is known about any of {', '.join(models)} on these questions"
        )
    rank_q = pc.rank(pa.chunked_array(ids), tiebreaker="first").to_numpy()
    return steps, rank_q.astype(np.int64)


def _allocate(steps: HullIncrements, climb: GreedyOrder, budget_usd: float) -> StreamedBudgetPlan:
    """Take the steps in their order for as long as their bill is within the budget."""
    n_steps = climb.n_affordable(budget_usd)
    while True:
        step_q = np.bincount(climb.question_n[:n_steps], minlength=len(steps.base_usd_q))
        cost_usd_q = steps.cost_usd_q(step_q)
        planned_usd = math.fsum(cost_usd_q[~np.isnan(cost_usd_q)])
        # A running sum rounds; the budget is a promise about the exact one.
        if planned_usd <= budget_usd or n_steps == 0:
            break
        n_steps -= 1
    overshoot_usd = max(planned_usd - budget_usd, 0.0)
    return StreamedBudgetPlan(
        step_q.astype(np.int16), climb.lambda_after(n_steps), planned_usd, overshoot_usd
    )
