"""Routing strategies, each with the accuracy it reaches at a budget on known outcomes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation.budget_curve import BudgetCurve, best_within_budget, dual_bound, mixture_curve
from scope.policy import MIN_COST_SHARE, HullIncrements, Hulls

N_SETTINGS = 256
"""Values of lambda between the cheapest models and those of the highest probability."""


@dataclass(frozen=True, slots=True)
class ResampledOutcomes:
    """The outcomes of every model on every question, and the bootstrap weights of the questions.

    Attributes
    ----------
    correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
        Without NaN: strategies are compared on questions with all outcomes.
    weight_rq : ndarray of shape (n_resamples, n_questions)
        As returned by `scope.evaluation.bootstrap.bootstrap_weights`.
    accuracy_rm, mean_usd_rm : ndarray of shape (n_resamples, n_models)
        Of each model on all questions.
    """

    correct_qm: FloatArray
    cost_usd_qm: FloatArray
    weight_rq: FloatArray
    accuracy_rm: FloatArray
    mean_usd_rm: FloatArray

    @classmethod
    def from_outcomes(
        cls, correct_qm: FloatArray, cost_usd_qm: FloatArray, weight_rq: FloatArray
    ) -> "ResampledOutcomes":
        """Average the outcomes of each model over every resample."""
        return cls(
            correct_qm,
            cost_usd_qm,
            weight_rq,
            weight_rq @ correct_qm,
            weight_rq @ cost_usd_qm,
        )

    def best_within_budget(
        self, cost_usd_rg: FloatArray, accuracy_rg: FloatArray, budget_usd_rb: FloatArray
    ) -> BudgetCurve:
        """Return the best of some settings and of the single models."""
        return best_within_budget(
            np.hstack([self.mean_usd_rm, cost_usd_rg]),
            np.hstack([self.accuracy_rm, accuracy_rg]),
            budget_usd_rb,
        )


class Strategy(Protocol):
    """A routing strategy whose budget can be set."""

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Return the best accuracy at or under each budget, and the cost at which it is reached."""
        ...


@dataclass(frozen=True, slots=True)
class LambdaSweep:
    """``argmax p - lambda * cost`` on forecasts, for a range of lambdas.

    Attributes
    ----------
    p_correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
        Forecasts; NaN is never chosen. A question without any forecast goes to the
        model that is cheapest on average.
    """

    p_correct_qm: FloatArray
    cost_usd_qm: FloatArray

    def choices(self) -> IntArray:
        """Return the model of each question at each setting, (n_questions, n_settings)."""
        hulls = Hulls.from_estimates(self.p_correct_qm, self.cost_usd_qm)
        model_qg = np.stack([hulls.choose(value) for value in lambda_grid(hulls)], axis=1)
        mean_usd_m = np.nanmean(self.cost_usd_qm, axis=0)
        return np.where(model_qg < 0, int(np.nanargmin(mean_usd_m)), model_qg)

    def settings(self, outcomes: ResampledOutcomes) -> tuple[FloatArray, FloatArray]:
        """Return mean cost and accuracy of every setting, each (n_resamples, n_settings)."""
        model_qg = self.choices()
        cost_usd_rg, accuracy_rg = (
            outcomes.weight_rq @ np.take_along_axis(values_qm, model_qg, axis=1)
            for values_qm in (outcomes.cost_usd_qm, outcomes.correct_qm)
        )
        return cost_usd_rg, accuracy_rg

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Score every setting, and every single model, on the outcomes."""
        return outcomes.best_within_budget(*self.settings(outcomes), budget_usd_rb)


@dataclass(frozen=True, slots=True)
class ShuffledControl:
    """The decisions of a sweep, assigned to random questions: the gain without the question.

    In expectation over all permutations the accuracy of a setting is
    ``sum_m share_m * accuracy_m``, and so is its cost: nothing is drawn.
    """

    sweep: LambdaSweep

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Score the share of questions that every setting gives to each model."""
        model_qg = self.sweep.choices()
        models = np.arange(outcomes.correct_qm.shape[1])
        points = []
        for model_q in model_qg.T:
            share_rm = outcomes.weight_rq @ (model_q[:, None] == models).astype(np.float64)
            points.append([(share_rm * outcomes.mean_usd_rm).sum(axis=1)])
            points[-1].append((share_rm * outcomes.accuracy_rm).sum(axis=1))
        cost_usd_rg, accuracy_rg = (np.stack(part, axis=1) for part in zip(*points, strict=True))
        return outcomes.best_within_budget(cost_usd_rg, accuracy_rg, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class BestSingleModel:
    """The same model for all questions: the best one within the budget."""

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Return the step function of the single models."""
        return best_within_budget(outcomes.mean_usd_rm, outcomes.accuracy_rm, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model drawn uniformly for each question, in expectation."""

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Add one point to those of the single models."""
        cost_usd_r1 = outcomes.mean_usd_rm.mean(axis=1, keepdims=True)
        accuracy_r1 = outcomes.accuracy_rm.mean(axis=1, keepdims=True)
        return outcomes.best_within_budget(cost_usd_r1, accuracy_r1, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class RandomMixtures:
    """The best random mixture of single models, its weights fitted on these outcomes."""

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Interpolate along the upper convex hull of the single models."""
        return mixture_curve(outcomes.mean_usd_rm, outcomes.accuracy_rm, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class Oracle:
    """An upper bound: every outcome and every cost is known before the choice."""

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Bound the accuracy of every strategy from above."""
        hulls = Hulls.from_estimates(outcomes.correct_qm, outcomes.cost_usd_qm)
        finite_t = lambda_grid(hulls)[1:]
        value_qt = np.column_stack(
            [(outcomes.correct_qm - t * outcomes.cost_usd_qm).max(axis=1) for t in finite_t]
        )
        bound = dual_bound(outcomes.weight_rq @ value_qt, finite_t, budget_usd_rb)
        # More money buys nothing once each question has its cheapest correct model.
        last_q1 = hulls.model_qp[:, -1:]
        enough_r1 = outcomes.weight_rq @ np.take_along_axis(outcomes.cost_usd_qm, last_q1, axis=1)
        return BudgetCurve(bound.accuracy_rb, np.minimum(budget_usd_rb, enough_r1))


def lambda_grid(hulls: Hulls, n_settings: int = N_SETTINGS) -> FloatArray:
    """Return lambdas from infinity to 0 whose planned total costs are log-spaced.

    Returns
    -------
    ndarray of shape (n_trade_offs,)
        Falling, the first infinite; at most ``n_settings + 1`` distinct values.
    """
    increments = HullIncrements.from_hulls(hulls).sort_by_slope(np.arange(len(hulls.model_qp)))
    max_usd = increments.cumulative_cost_usd_n[-1]
    if not increments.slope_n.size:
        return np.array([np.inf, 0.0])
    min_usd = max(increments.cumulative_cost_usd_n[0], MIN_COST_SHARE * max_usd)
    costs_usd = np.geomspace(min_usd, max_usd, n_settings)[:-1]
    slopes = [increments.lambda_after(increments.n_affordable(cost)) for cost in costs_usd]
    return np.unique([np.inf, *slopes, 0.0])[::-1]
