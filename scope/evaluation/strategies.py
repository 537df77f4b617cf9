"""Routing strategies, each with the accuracy it reaches at a budget on known outcomes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation.budget_curve import BudgetCurve, best_within_budget, dual_bound, mixture_curve
from scope.evaluation.held_out_choice import best_mixture, best_setting, held_out_curve
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
    fold_q : ndarray of shape (n_questions,), or None
        Every strategy but the oracle chooses its setting for a budget on the questions of
        the other folds. None: on the questions that judge it, which flatters it.
    """

    correct_qm: FloatArray
    cost_usd_qm: FloatArray
    weight_rq: FloatArray
    accuracy_rm: FloatArray
    mean_usd_rm: FloatArray
    fold_q: IntArray | None = None

    @classmethod
    def from_outcomes(
        cls,
        correct_qm: FloatArray,
        cost_usd_qm: FloatArray,
        weight_rq: FloatArray,
        fold_q: IntArray | None = None,
    ) -> "ResampledOutcomes":
        """Average the outcomes of each model over every resample."""
        return cls(
            correct_qm,
            cost_usd_qm,
            weight_rq,
            weight_rq @ correct_qm,
            weight_rq @ cost_usd_qm,
            fold_q,
        )

    def best_within_budget(
        self,
        cost_usd_qg: FloatArray,
        correct_qg: FloatArray,
        budget_usd_rb: FloatArray,
        *,
        or_a_single_model: bool = True,
    ) -> BudgetCurve:
        """Return the best of some settings, and of the single models, at or under a budget.

        Parameters
        ----------
        cost_usd_qg, correct_qg : ndarray of shape (n_questions, n_settings)
            Of each setting on each question, in expectation where it draws.
        """
        if self.fold_q is None:
            cost_usd_rg, accuracy_rg = self.weight_rq @ cost_usd_qg, self.weight_rq @ correct_qg
            if or_a_single_model:
                cost_usd_rg = np.hstack([self.mean_usd_rm, cost_usd_rg])
                accuracy_rg = np.hstack([self.accuracy_rm, accuracy_rg])
            return best_within_budget(cost_usd_rg, accuracy_rg, budget_usd_rb)
        if or_a_single_model:
            cost_usd_qg = np.hstack([self.cost_usd_qm, cost_usd_qg])
            correct_qg = np.hstack([self.correct_qm, correct_qg])
        return held_out_curve(
            cost_usd_qg, correct_qg, self.weight_rq, self.fold_q, budget_usd_rb, best_setting
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
        cost_usd_qg, correct_qg = self.on_questions(outcomes)
        return outcomes.weight_rq @ cost_usd_qg, outcomes.weight_rq @ correct_qg

    def on_questions(self, outcomes: ResampledOutcomes) -> tuple[FloatArray, FloatArray]:
        """Return cost and correctness of every setting, each (n_questions, n_settings)."""
        model_qg = self.choices()
        return (
            np.take_along_axis(outcomes.cost_usd_qm, model_qg, axis=1),
            np.take_along_axis(outcomes.correct_qm, model_qg, axis=1),
        )

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Score every setting, and every single model, on the outcomes."""
        return outcomes.best_within_budget(*self.on_questions(outcomes), budget_usd_rb)


@dataclass(frozen=True, slots=True)
class ShuffledControl:
    """The decisions of a sweep, assigned to random questions: the gain without the question.

    In expectation over all permutations a question gets each model as often as all questions
    do: nothing is drawn.
    """

    sweep: LambdaSweep

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Score the share of questions that every setting gives to each model."""
        models = np.arange(outcomes.correct_qm.shape[1])
        share_mg = (self.sweep.choices()[:, None, :] == models[:, None]).mean(axis=0)
        return outcomes.best_within_budget(
            outcomes.cost_usd_qm @ share_mg, outcomes.correct_qm @ share_mg, budget_usd_rb
        )


@dataclass(frozen=True, slots=True)
class BestSingleModel:
    """The same model for all questions: the best one within the budget."""

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Return the step function of the single models."""
        none_qg = np.empty((len(outcomes.correct_qm), 0))
        return outcomes.best_within_budget(none_qg, none_qg, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class RandomMixtures:
    """The best random mixture of single models."""

    def evaluate_at(self, outcomes: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Interpolate along the upper convex hull of the single models."""
        if outcomes.fold_q is None:
            return mixture_curve(outcomes.mean_usd_rm, outcomes.accuracy_rm, budget_usd_rb)
        return held_out_curve(
            outcomes.cost_usd_qm,
            outcomes.correct_qm,
            outcomes.weight_rq,
            outcomes.fold_q,
            budget_usd_rb,
            best_mixture,
        )


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
