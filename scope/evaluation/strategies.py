"""Ways to choose a model, each with what it reaches at a budget on known outcomes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation.budget_curve import BudgetCurve, best_within_budget, dual_bound, mixture_curve
from scope.policy import MIN_COST_SHARE, HullIncrements, Hulls

N_SETTINGS = 256
"""Settings of lambda tried between the cheapest and the likeliest models."""


@dataclass(frozen=True, slots=True)
class ResampledOutcomes:
    """What every model did on every question, and how much the questions count.

    Attributes
    ----------
    correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
        Without a gap: a question with one is no question of a contest.
    weight_rq : ndarray of shape (n_resamples, n_questions)
        As `scope.evaluation.bootstrap.resamples` draws them.
    accuracy_rm, mean_usd_rm : ndarray of shape (n_resamples, n_models)
        Of each model asked everything.
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

    def best_of(
        self, cost_usd_rs: FloatArray, accuracy_rs: FloatArray, budget_usd_rb: FloatArray
    ) -> BudgetCurve:
        """Return the best of some settings and of taking one model for all."""
        return best_within_budget(
            np.hstack([self.mean_usd_rm, cost_usd_rs]),
            np.hstack([self.accuracy_rm, accuracy_rs]),
            budget_usd_rb,
        )


class Strategy(Protocol):
    """A way to choose whose budget can be set."""

    def evaluate_at(self, record: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Return the best accuracy at or under each budget, and where it is reached."""
        ...


@dataclass(frozen=True, slots=True)
class LambdaSweep:
    """``argmax p - lambda * cost`` on forecasts, lambda swept.

    Attributes
    ----------
    p_correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
        Forecasts; NaN is never chosen. A question about which nothing is
        forecast goes to the model that is cheapest on average.
    """

    p_correct_qm: FloatArray
    cost_usd_qm: FloatArray

    def choices(self) -> IntArray:
        """Return the model of each question at each setting, (n_questions, n_settings)."""
        hulls = Hulls.from_estimates(self.p_correct_qm, self.cost_usd_qm)
        model_qs = np.stack([hulls.choose(value) for value in lambda_grid(hulls)], axis=1)
        mean_usd_m = np.nanmean(self.cost_usd_qm, axis=0)
        return np.where(model_qs < 0, int(np.nanargmin(mean_usd_m)), model_qs)

    def settings(self, record: ResampledOutcomes) -> tuple[FloatArray, FloatArray]:
        """Return mean cost and accuracy of every setting, each (n_resamples, n_settings)."""
        model_qs = self.choices()
        cost_usd_rs, accuracy_rs = (
            record.weight_rq @ np.take_along_axis(values_qm, model_qs, axis=1)
            for values_qm in (record.cost_usd_qm, record.correct_qm)
        )
        return cost_usd_rs, accuracy_rs

    def evaluate_at(self, record: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Score every setting, and one model for all, on what really happened."""
        return record.best_of(*self.settings(record), budget_usd_rb)


@dataclass(frozen=True, slots=True)
class ShuffledControl:
    """The same decisions dealt to the questions at random: what knowing the question is worth.

    In expectation over all permutations the accuracy of a setting is
    ``sum_m share_m * accuracy_m``, and so is its cost: no dice are thrown.
    """

    routed: LambdaSweep

    def evaluate_at(self, record: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Score the shares that every setting gives to the models."""
        model_qs = self.routed.choices()
        models = np.arange(record.correct_qm.shape[1])
        points = []
        for model_q in model_qs.T:
            share_rm = record.weight_rq @ (model_q[:, None] == models).astype(np.float64)
            points.append([(share_rm * record.mean_usd_rm).sum(axis=1)])
            points[-1].append((share_rm * record.accuracy_rm).sum(axis=1))
        cost_usd_rs, accuracy_rs = (np.stack(part, axis=1) for part in zip(*points, strict=True))
        return record.best_of(cost_usd_rs, accuracy_rs, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class BestSingleModel:
    """One model for all questions: the best that is within the budget."""

    def evaluate_at(self, record: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Climb the staircase of the models."""
        return best_within_budget(record.mean_usd_rm, record.accuracy_rm, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model drawn evenly for each question, in expectation."""

    def evaluate_at(self, record: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Add one point to those of the models."""
        cost_usd_r1 = record.mean_usd_rm.mean(axis=1, keepdims=True)
        accuracy_r1 = record.accuracy_rm.mean(axis=1, keepdims=True)
        return record.best_of(cost_usd_r1, accuracy_r1, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class RandomMixtures:
    """The best random mix of single models, its members picked on the very outcomes."""

    def evaluate_at(self, record: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Walk along the upper hull of the models."""
        return mixture_curve(record.mean_usd_rm, record.accuracy_rm, budget_usd_rb)


@dataclass(frozen=True, slots=True)
class Oracle:
    """Who knows every outcome and every cost beforehand: what nobody can exceed."""

    def evaluate_at(self, record: ResampledOutcomes, budget_usd_rb: FloatArray) -> BudgetCurve:
        """Bound every way of choosing from above."""
        hulls = Hulls.from_estimates(record.correct_qm, record.cost_usd_qm)
        finite_t = lambda_grid(hulls)[1:]
        value_qt = np.column_stack(
            [(record.correct_qm - t * record.cost_usd_qm).max(axis=1) for t in finite_t]
        )
        bound = dual_bound(record.weight_rq @ value_qt, finite_t, budget_usd_rb)
        # Nothing is left to buy once each question has its cheapest right model.
        last_q1 = hulls.model_qs[:, -1:]
        enough_r1 = record.weight_rq @ np.take_along_axis(record.cost_usd_qm, last_q1, axis=1)
        return BudgetCurve(bound.accuracy_rb, np.minimum(budget_usd_rb, enough_r1))


def lambda_grid(hulls: Hulls, n_settings: int = N_SETTINGS) -> FloatArray:
    """Return lambdas from infinity to 0 whose planned bills are log-spaced.

    Returns
    -------
    ndarray of shape (n_trade_offs,)
        Falling, the first infinite; at most ``n_settings + 1`` distinct values.
    """
    climb = HullIncrements.from_hulls(hulls).sort_by_slope(np.arange(len(hulls.model_qs)))
    dearest_usd = climb.cumulative_cost_usd_n[-1]
    if not climb.slope_n.size:
        return np.array([np.inf, 0.0])
    cheapest_usd = max(climb.cumulative_cost_usd_n[0], MIN_COST_SHARE * dearest_usd)
    bills_usd = np.geomspace(cheapest_usd, dearest_usd, n_settings)[:-1]
    slopes = [climb.lambda_after(climb.n_affordable(bill)) for bill in bills_usd]
    return np.unique([np.inf, *slopes, 0.0])[::-1]
