"""The setting for a budget, chosen on other questions than it is judged on."""

from collections.abc import Callable, Sequence

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation.budget_curve import BudgetCurve, cheapest_best
from scope.policy import Hulls
from scope.sampling import hash_order

N_FOLDS = 10
"""Parts of the questions; what one is judged on is chosen on the others."""

SettingMix = tuple[IntArray, IntArray, FloatArray]
"""Two settings at each budget and the share of the second, each (n_resamples, n_budgets)."""
ChoiceRule = Callable[[FloatArray, FloatArray, FloatArray], SettingMix]
"""From cost and accuracy of every setting, and the budgets."""


def hash_folds(ids: Sequence[str], n_folds: int = N_FOLDS) -> IntArray:
    """Return the fold of each question, by the hash of its id: of equal sizes, in any order.

    Examples
    --------
    >>> sorted(hash_folds(["a", "b", "c", "d"], 2).tolist())
    [0, 0, 1, 1]
    """
    fold_q = np.empty(len(ids), dtype=np.int64)
    fold_q[hash_order(ids)] = np.arange(len(ids)) % n_folds
    return fold_q


def held_out_curve(
    cost_usd_qg: FloatArray,
    correct_qg: FloatArray,
    weight_rq: FloatArray,
    fold_q: IntArray,
    budget_usd_rb: FloatArray,
    choose: ChoiceRule,
) -> BudgetCurve:
    """Return what settings reach that are chosen on the questions of the other folds.

    The best of many settings on the questions that judge them would win on noise as well.

    Parameters
    ----------
    cost_usd_qg, correct_qg : ndarray of shape (n_questions, n_settings)
        What each setting costs on each question and how often it is right there.
    weight_rq : ndarray of shape (n_resamples, n_questions)
        A question that is drawn twice stays in its fold: no fold judges what it has seen.
    fold_q : ndarray of shape (n_questions,)
    budget_usd_rb : ndarray of shape (n_resamples, n_budgets)
    choose : callable
        `best_setting` or `best_mixture`.

    Returns
    -------
    BudgetCurve
        Means over all folds. The cost is near the budget, not under it: it was kept on other
        questions. NaN where no setting is that cheap on all questions.
    """
    rows = [np.flatnonzero(fold_q == fold) for fold in np.unique(fold_q)]
    parts = [
        [weight_rq[:, q] @ value_qg[q] for value_qg in (cost_usd_qg, correct_qg)] for q in rows
    ]
    cost_rg, correct_rg = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    usd_rb, accuracy_rb = np.zeros_like(budget_usd_rb), np.zeros_like(budget_usd_rb)
    for q, (fold_cost_rg, fold_correct_rg) in zip(rows, parts, strict=True):
        rest_r1 = 1 - weight_rq[:, q].sum(axis=1, keepdims=True)
        first_rb, second_rb, share_rb = choose(
            (cost_rg - fold_cost_rg) / rest_r1,
            (correct_rg - fold_correct_rg) / rest_r1,
            budget_usd_rb,
        )
        for total_rb, value_rg in ((usd_rb, fold_cost_rg), (accuracy_rb, fold_correct_rg)):
            total_rb += (1 - share_rb) * np.take_along_axis(value_rg, first_rb, axis=1)
            total_rb += share_rb * np.take_along_axis(value_rg, second_rb, axis=1)
    # The sums of the folds may differ from a sum over all questions by rounding.
    too_low_rb = cost_rg.min(axis=1, keepdims=True) > budget_usd_rb * (1 + 1e-9)
    accuracy_rb[too_low_rb] = usd_rb[too_low_rb] = np.nan
    return BudgetCurve(accuracy_rb, usd_rb)


def best_setting(
    cost_usd_rg: FloatArray, accuracy_rg: FloatArray, budget_usd_rb: FloatArray
) -> SettingMix:
    """Choose the most accurate setting at or under each budget, or else the cheapest."""
    index_rb = cheapest_best(cost_usd_rg, accuracy_rg, budget_usd_rb)
    chosen_rb = np.where(index_rb < 0, cost_usd_rg.argmin(axis=1)[:, None], index_rb)
    return chosen_rb, chosen_rb, np.zeros(budget_usd_rb.shape)


def best_mixture(
    cost_usd_rg: FloatArray, accuracy_rg: FloatArray, budget_usd_rb: FloatArray
) -> SettingMix:
    """Choose the best random mixture of two settings: a point on the upper convex hull.

    Examples
    --------
    >>> usd, accuracy = np.array([[1.0, 3.0]]), np.array([[0.5, 0.9]])
    >>> best_mixture(usd, accuracy, np.array([[0.5, 1.5, 9.0]]))[2]
    array([[0.  , 0.25, 0.  ]])
    """
    corner_rp = Hulls.from_estimates(accuracy_rg, cost_usd_rg).model_qp
    usd_rp = np.take_along_axis(cost_usd_rg, corner_rp, axis=1)
    last = corner_rp.shape[1] - 1
    position_rb = np.stack(
        [
            np.interp(budget_usd_b, usd_p, np.arange(last + 1.0))
            for budget_usd_b, usd_p in zip(budget_usd_rb, usd_rp, strict=True)
        ]
    )
    first_rb = position_rb.astype(np.int64)
    return (
        np.take_along_axis(corner_rp, first_rb, axis=1),
        np.take_along_axis(corner_rp, np.minimum(first_rb + 1, last), axis=1),
        position_rb - first_rb,
    )
