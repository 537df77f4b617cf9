"""One number for a whole trade-off: the area under accuracy against the log of cost."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.policy import MIN_COST_SHARE, Hulls

N_BUDGETS = 200
"""Mean costs at which a curve is read, log-spaced from the cheapest model to the dearest."""


@dataclass(frozen=True, slots=True)
class BudgetCurve:
    """What a way to choose reaches at each budget, for each resample of the questions.

    Attributes
    ----------
    accuracy_rb : ndarray of shape (n_resamples, n_budgets)
        Best accuracy at or under the budget; NaN where nothing is that cheap.
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
    """Return budgets from the cheapest single model to the dearest, evenly spaced in the log.

    Parameters
    ----------
    cost_usd_rm : ndarray of shape (n_resamples, n_models)
        Mean cost of a question at each model, USD.

    Returns
    -------
    ndarray of shape (n_resamples, n_budgets)
        Where the cheapest model is free, they start at `FREE` of the dearest.

    Examples
    --------
    >>> log_budgets(np.array([[1.0, 100.0]]), 3)
    array([[  1.,  10., 100.]])
    """
    dearest_r = cost_usd_rm.max(axis=1)
    cheapest_r = np.maximum(cost_usd_rm.min(axis=1), MIN_COST_SHARE * dearest_r)
    if not dearest_r.all():  # every model is free: one budget, 0
        return np.zeros((len(dearest_r), n_budgets))
    budget_usd_rb = np.geomspace(cheapest_r, dearest_r, n_budgets, axis=1)
    # Rounding must not put a budget a hair below the model that sets it.
    return budget_usd_rb.clip(cheapest_r[:, None], dearest_r[:, None])


def best_within_budget(
    cost_usd_rs: FloatArray, accuracy_rs: FloatArray, budget_usd_rb: FloatArray
) -> BudgetCurve:
    """Return the best of some settings at or under each budget.

    Parameters
    ----------
    cost_usd_rs, accuracy_rs : ndarray of shape (n_resamples, n_settings)
        What each setting costs a question, and how often it is right.
    budget_usd_rb : ndarray of shape (n_resamples, n_budgets)

    Examples
    --------
    >>> usd, accuracy = np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.9, 0.7]])
    >>> best_within_budget(usd, accuracy, np.array([[0.5, 1.5, 9.0]])).accuracy_rb
    array([[nan, 0.5, 0.9]])
    """
    # Two settings that get as many right must not differ by the rounding of a sum.
    accuracy_rs = accuracy_rs.round(12)
    # By cost, then from the most accurate down, so that of equals the cheapest is found first.
    order_rs = np.lexsort((-accuracy_rs, cost_usd_rs), axis=1)
    cost_rs = np.take_along_axis(cost_usd_rs, order_rs, axis=1)
    best_rs = np.maximum.accumulate(np.take_along_axis(accuracy_rs, order_rs, axis=1), axis=1)
    reached = BudgetCurve(np.full_like(budget_usd_rb, np.nan), np.full_like(budget_usd_rb, np.nan))
    for r, budget_usd_b in enumerate(budget_usd_rb):
        last_b = np.searchsorted(cost_rs[r], budget_usd_b, side="right") - 1
        some_b = last_b >= 0
        accuracy_b = best_rs[r, last_b[some_b]]
        reached.accuracy_rb[r, some_b] = accuracy_b
        first_b = np.searchsorted(best_rs[r], accuracy_b, side="left")
        reached.cost_usd_rb[r, some_b] = cost_rs[r, first_b]
    return reached


def mixture_curve(
    cost_usd_rm: FloatArray, accuracy_rm: FloatArray, budget_usd_rb: FloatArray
) -> BudgetCurve:
    """Return the best random mix of single models at each budget: their upper hull.

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
    corner_rs = Hulls.from_estimates(accuracy_rm, cost_usd_rm).model_qs
    usd_rs = np.take_along_axis(cost_usd_rm, corner_rs, axis=1)
    accuracy_rs = np.take_along_axis(accuracy_rm, corner_rs, axis=1)
    accuracy_rb = np.empty_like(budget_usd_rb)
    for r, budget_usd_b in enumerate(budget_usd_rb):
        accuracy_rb[r] = np.interp(budget_usd_b, usd_rs[r], accuracy_rs[r], left=np.nan)
    return BudgetCurve(accuracy_rb, np.minimum(budget_usd_rb, usd_rs[:, -1:]))


def dual_bound(
    value_rt: FloatArray, trade_off_t: FloatArray, budget_usd_rb: FloatArray
) -> BudgetCurve:
    """Return what no way of choosing can exceed at each budget.

    Whoever chooses within a mean cost ``b`` has, for every lambda,
    ``accuracy <= mean_q max_m (correct - lambda * cost) + lambda * b``; the least
    of these over lambda is the bound, reached up to one question's step.

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
