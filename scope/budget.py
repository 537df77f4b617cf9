"""Spend a budget on a set of questions where it buys most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.errors import ConfigError, NoEvidenceError
from scope.hull import Hulls
from scope.policy import Choices
from scope.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Plan:
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


def plan_budget(predictions: Predictions, budget_usd: float) -> Plan:
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
    if not budget_usd >= 0:
        raise ConfigError(f"budget is {budget_usd} USD; expected at least 0")
    estimates = predictions.estimates
    hulls = Hulls.of(estimates.p_correct_qm, estimates.cost_usd_qm)
    if (hulls.model_qs[:, 0] < 0).all():
        raise NoEvidenceError(
            f"nothing is known about any of {', '.join(predictions.models)} on these questions"
        )
    climb = hulls.climb(_ranks(predictions.question_ids))
    n_steps = climb.affordable(budget_usd)
    while True:
        step_q = np.bincount(climb.question_n[:n_steps], minlength=len(hulls.model_qs))
        model_q = hulls.take(step_q)
        choices = Choices(model_q, model_q >= 0)
        cost_usd_q = choices.pick(estimates.cost_usd_qm)
        planned_usd = math.fsum(cost_usd_q[~np.isnan(cost_usd_q)])
        # A running sum rounds; the budget is a promise about the exact one.
        if planned_usd <= budget_usd or n_steps == 0:
            break
        n_steps -= 1
    overshoot_usd = max(planned_usd - budget_usd, 0.0)
    return Plan(choices, climb.trade_off(n_steps), planned_usd, overshoot_usd)


def _ranks(ids: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return each question's place when all are sorted by id."""
    rank_q = np.empty(len(ids), dtype=np.int64)
    rank_q[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return rank_q
