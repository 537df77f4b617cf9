"""A new bank against the one in force, on the same labelled questions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deployments.settings import ActiveSettings
from scope.arrays import BoolArray, FloatArray
from scope.bank import Bank, fit_alpha_scale
from scope.errors import EvaluationError, join_names
from scope.evaluation import (
    EvaluationSet,
    Interval,
    LambdaSweep,
    ResampledOutcomes,
    bootstrap_weights,
    hash_folds,
)
from scope.policy import Choices
from scope.predictor import AnchorPredictor, predict_reference_population
from scope.routing import Objective

SEED = 0
PER_1K = 1_000


@dataclass(frozen=True, slots=True)
class BankComparison:
    """What another bank changes, with 95 % intervals; every difference is new minus old.

    Attributes
    ----------
    objective : str
        The policy in force, such as ``alpha 0.6``.
    n_questions : int
    accuracy, usd_per_1k : Interval
        Of the new bank under that policy.
    accuracy_change, usd_per_1k_change : Interval
    change_at_same_cost : Interval
        Accuracy of the new bank at the mean cost of the old one: as `scope eval`, the best
        setting of each at that cost, chosen on other questions. NaN where the new one cannot
        be so cheap.
    left_out : tuple of str
        Arms of the two pools that cannot be compared: the questions have no outcomes of them.
    """

    objective: str
    n_questions: int
    accuracy: Interval
    usd_per_1k: Interval
    accuracy_change: Interval
    usd_per_1k_change: Interval
    change_at_same_cost: Interval
    left_out: tuple[str, ...]

    @property
    def is_worse(self) -> bool:
        """Whether it is less accurate at the same cost beyond the noise of the questions."""
        change = self.change_at_same_cost
        return math.isnan(change.value) or change.high < 0

    def lines(self) -> list[str]:
        """Return the comparison as sentences."""
        cost, points = self.usd_per_1k, self.change_at_same_cost
        lines = [
            f"{self.n_questions} labelled questions at {self.objective}, new minus old:",
            f"  accuracy {100 * self.accuracy.value:.1f} %: {_points(self.accuracy_change)}",
            f"  cost per 1,000 ${cost.value:.4g}: {self.usd_per_1k_change:+.4f} USD",
            "  accuracy at the cost of the old: "
            + ("it cannot be so cheap" if math.isnan(points.value) else _points(points)),
        ]
        if self.left_out:
            lines.append(f"  left out, no outcomes of them: {join_names(self.left_out)}")
        return lines


def compare_banks(
    old: Bank, new: Bank, questions: Bank, user_config: Mapping[str, Any]
) -> BankComparison:
    """Route labelled questions by both banks under the policy in force.

    Parameters
    ----------
    old, new : Bank
    questions : Bank
        Labelled questions, none of them an anchor of either.
    user_config : mapping
        Settings of the Router: pool, prices and policy.

    Raises
    ------
    EvaluationError
        If the questions cannot evaluate one of the banks.
    """
    policy = ActiveSettings.from_user_config(user_config, old.models).settings.policy
    objective = Objective(**policy.objective_settings, auto=policy.auto)
    sides = [_Side.of(bank, questions, user_config) for bank in (old, new)]
    kept_q: BoolArray = sides[0].test_set.complete_q & sides[1].test_set.complete_q
    if not kept_q.any():
        raise EvaluationError(
            "no labelled question has the outcomes of all models of both banks; "
            "name others by --questions, or skip the comparison by --no-comparison"
        )
    weight_rq = bootstrap_weights(int(kept_q.sum()), SEED)
    before, after = (side.route(objective, kept_q, weight_rq) for side in sides)
    at_old_cost = [result.sweep(before.cost_usd_r[:, None]) for result in (before, after)]
    ((name, value),) = objective.settings.items()
    return BankComparison(
        f"{name} {value:g}",
        int(kept_q.sum()),
        Interval.from_replicates(after.accuracy_r),
        Interval.from_replicates(PER_1K * after.cost_usd_r),
        Interval.from_replicates(after.accuracy_r - before.accuracy_r),
        Interval.from_replicates(PER_1K * (after.cost_usd_r - before.cost_usd_r)),
        Interval.from_replicates(at_old_cost[1] - at_old_cost[0]),
        tuple(sorted({*sides[0].left_out, *sides[1].left_out})),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """A bank, its pool at today's prices, and the questions with the outcomes of that pool."""

    bank: Bank
    test_set: EvaluationSet
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, bank: Bank, questions: Bank, user_config: Mapping[str, Any]) -> "_Side":
        current = ActiveSettings.from_user_config(user_config, bank.models)
        comparable = set(bank.model_ids) & set(questions.model_ids)
        pool = tuple(model for model in current.models if model.id in comparable)
        left_out = tuple(model.id for model in current.models if model.id not in comparable)
        if not pool:
            raise EvaluationError("the labelled questions have no outcome of a model of the pool")
        chosen = bank.select_models(tuple(model.id for model in pool)).with_prices(pool)
        return cls(chosen, EvaluationSet.from_banks(chosen, questions), left_out)

    def route(
        self, objective: Objective, kept_q: BoolArray, weight_rq: FloatArray
    ) -> "_RoutedQuestions":
        """Choose a model for each question, as the endpoint would."""
        bank, test_set = self.bank, self.test_set
        estimates, _ = AnchorPredictor(bank).predict(
            test_set.embedding_qd, test_set.features_qf, second_qy=test_set.second_qy
        )
        estimates = estimates.select_questions(kept_q)
        reference = bank.reference or predict_reference_population(bank, bank.anchor_config)
        policy = objective.policy(fit_alpha_scale(reference, bank.models))
        outcomes = ResampledOutcomes.from_outcomes(
            test_set.truth.correct_qm[kept_q],
            test_set.truth.cost_usd_qm[kept_q],
            weight_rq,
            hash_folds([test_set.ids[q] for q in np.flatnonzero(kept_q)]),
        )
        choices = policy.choose(estimates.p_correct_qm, estimates.cost_usd_qm)
        sweep = LambdaSweep(estimates.p_correct_qm, estimates.cost_usd_qm)
        return _RoutedQuestions(outcomes, choices, sweep)


@dataclass(frozen=True, slots=True)
class _RoutedQuestions:
    outcomes: ResampledOutcomes
    choices: Choices
    lambdas: LambdaSweep

    @property
    def accuracy_r(self) -> FloatArray:
        """Accuracy in each resample; a question without a choice counts as wrong."""
        return self._mean(self.outcomes.correct_qm)

    @property
    def cost_usd_r(self) -> FloatArray:
        """Mean cost of a question in each resample, USD."""
        return self._mean(self.outcomes.cost_usd_qm)

    def sweep(self, budget_usd_rb: FloatArray) -> FloatArray:
        """Return the accuracy at a budget in each resample."""
        # A sum of costs that is rounded down must not shut out the policy's own choices.
        budget_usd_rb = budget_usd_rb * (1 + 1e-9)
        curve = self.lambdas.evaluate_at(self.outcomes, budget_usd_rb)
        accuracy_r: FloatArray = curve.accuracy_rb[:, 0]
        return accuracy_r

    def _mean(self, values_qm: FloatArray) -> FloatArray:
        mean_r: FloatArray = self.outcomes.weight_rq @ np.nan_to_num(self.choices.pick(values_qm))
        return mean_r


def _points(change: Interval) -> str:
    points = replace(change, value=100 * change.value, low=100 * change.low, high=100 * change.high)
    return f"{points:+.1f} points"
