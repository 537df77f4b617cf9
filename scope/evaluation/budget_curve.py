"""Accuracy against budget, and its area over the log of the budget."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.policy import MIN_COST_SHARE, Hulls

N_BUDGETS = 200
"""Budgets of a curve, log-spaced from the cheapest to the most expensive model."""


@dataclass(frozen=True, slots=True)
class BudgetCurve:
    """Accuracy of a strategy at each budget, for each resample of the questions.

    Attributes
    ----------
    accuracy_rb : ndarray of shape (n_resamples, n_budgets)
        Best accuracy at or under the budget; NaN where no setting is that cheap.
    cost_usd_rb : ndarray of shape (n_resamples, n_budgets)
        Mean cost of a question where that accuracy is reached, USD.
    """

    accuracy_rb: FloatArray
    cost_usd_rb: FloatArray

    def area_r(self) -> FloatArray:
        """Return the mean accuracy over the budgets, for each resample."""
        area_r: FloatArray = self.accuracy_rb.mean(axis=1)
        return area_r


def log_budgets(cost_usd_rm: FloatArray, n_budgets: int = N_BUDGETS) -> FloatArray:
    """Return log-spaced budgets from the cheapest to the most expensive single model.

    Parameters
    ----------
    cost_usd_rm : ndarray of shape (n_resamples, n_models)
        Mean cost of a question with each model, USD.

    Returns
    -------
    ndarray of shape (n_resamples, n_budgets)
        Where the cheapest model is free, they start at `MIN_COST_SHARE` of the highest cost.

    Examples
    --------
    >>> log_budgets(np.array([[1.0, 100.0]]), 3)
    array([[  1.,  10., 100.]])
    """
    max_usd_r = cost_usd_rm.max(axis=1)
    min_usd_r = np.maximum(cost_usd_rm.min(axis=1), MIN_COST_SHARE * max_usd_r)
    if not max_usd_r.all():  # every model is free: one budget, 0
        return np.zeros((len(max_usd_r), n_budgets))
    budget_usd_rb = np.geomspace(min_usd_r, max_usd_r, n_budgets, axis=1)
    # Rounding must not put a budget below the cost of the model that sets it.
    return budget_usd_rb.clip(min_usd_r[:, None], max_usd_r[:, None])


def best_within_budget(
    cost_usd_rg: FloatArray, accuracy_rg: FloatArray, budget_usd_rb: FloatArray
) -> BudgetCurve:
    """Return the best of some settings at or under each budget.

    Parameters
    ----------
    cost_usd_rg, accuracy_rg : ndarray of shape (n_resamples, n_settings)
        Mean cost of a question, and accuracy, at each setting.
    budget_usd_rb : ndarray of shape (n_resamples, n_budgets)

    Examples
    --------
    >>> usd, accuracy = np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.9, 0.7]])
    >>> best_within_budget(usd, accuracy, np.array([[0.5, 1.5, 9.0]])).accuracy_rb
    array([[nan, 0.5, 0.9]])
    """
    index_rb = cheapest_best(cost_usd_rg, accuracy_rg, budget_usd_rb)
    unknown_rb = index_rb < 0
    accuracy_rb, cost_usd_rb = (
        np.where(unknown_rb, np.nan, np.take_along_axis(value_rg, index_rb.clip(min=0), axis=1))
        for value_rg in (accuracy_rg.round(12), cost_usd_rg)
    )
    return BudgetCurve(accuracy_rb, cost_usd_rb)


def cheapest_best(
    cost_usd_rg: FloatArray, accuracy_rg: FloatArray, budget_usd_rb: FloatArray
) -> IntArray:
    """Return the most accurate setting at or under each budget; of equals the cheapest.

    Returns
    -------
    ndarray of shape (n_resamples, n_budgets)
        Index of a setting, -1 where none is that cheap.
    """
    # Equal accuracies must not differ by the rounding of a sum.
    accuracy_rg = accuracy_rg.round(12)
    # By cost, then by falling accuracy: of equal accuracies the cheapest is found first.
    order_rg = np.lexsort((-accuracy_rg, cost_usd_rg), axis=1)
    cost_rg = np.take_along_axis(cost_usd_rg, order_rg, axis=1)
    best_rg = np.maximum.accumulate(np.take_along_axis(accuracy_rg, order_rg, axis=1), axis=1)
    index_rb = np.full(budget_usd_rb.shape, -1)
    for r, budget_usd_b in enumerate(budget_usd_rb):
        last_b = np.searchsorted(cost_rg[r], budget_usd_b, side="right") - 1
        some_b = last_b >= 0
        first_b = np.searchsorted(best_rg[r], best_rg[r, last_b[some_b]], side="left")
        index_rb[r, some_b] = order_rg[r, first_b]
    return index_rb


def mixture_curve(
    cost_usd_rm: FloatArray, accuracy_rm: FloatArray, budget_usd_rb: FloatArray
) -> BudgetCurve:
    """Return the best random mixture of single models at each budget: their upper convex hull.

    Parameters
    ----------
    cost_usd_rm, accuracy_rm : ndarray of shape (n_resamples, n_models)
    budget_usd_rb : ndarray of shape (n_resamples, n_budgets)

    Examples
    --------
    >>> usd, accuracy = np.array([[1.0, 3.0]]), np.array([[0.5, 0.9]])
    >>> mixture_curve(usd, accuracy, np.array([[1.0, 2.0, 9.0]])).accuracy_rb
    array([[0.5, 0.7, 0.9]])
    """
    corner_rp = Hulls.from_estimates(accuracy_rm, cost_usd_rm).model_qp
    usd_rp = np.take_along_axis(cost_usd_rm, corner_rp, axis=1)
    accuracy_rp = np.take_along_axis(accuracy_rm, corner_rp, axis=1)
    accuracy_rb = np.empty_like(budget_usd_rb)
    for r, budget_usd_b in enumerate(budget_usd_rb):
        accuracy_rb[r] = np.interp(budget_usd_b, usd_rp[r], accuracy_rp[r], left=np.nan)
    return BudgetCurve(accuracy_rb, np.minimum(budget_usd_rb, usd_rp[:, -1:]))


def dual_bound(
    value_rt: FloatArray, trade_off_t: FloatArray, budget_usd_rb: FloatArray
) -> BudgetCurve:
    """Return the Lagrangian bound on the accuracy of any strategy at each budget.

    Any choice with a mean cost of at most ``b`` satisfies, for every lambda,
    ``accuracy <= mean_q max_m (correct - lambda * cost) + lambda * b``. The bound is
    the minimum over lambda; it is tight up to one step of one question.

    Parameters
    ----------
    value_rt : ndarray of shape (n_resamples, n_trade_offs)
        ``mean_q max_m (correct - lambda * cost)``.
    trade_off_t : ndarray of shape (n_trade_offs,)
        Finite lambdas, correct answers per USD.
    budget_usd_rb : ndarray of shape (n_resamples, n_budgets)
    """
    accuracy_rb = np.empty_like(budget_usd_rb)
    for r, budget_usd_b in enumerate(budget_usd_rb):
        accuracy_rb[r] = (value_rt[r] + budget_usd_b[:, None] * trade_off_t).min(axis=1)
    return BudgetCurve(accuracy_rb, budget_usd_rb)
