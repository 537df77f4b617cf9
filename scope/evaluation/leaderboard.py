"""Results of every strategy: areas, accuracies at matched budgets, differences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.evaluation.bootstrap import Interval
from scope.evaluation.budget_curve import BudgetCurve, log_budgets
from scope.evaluation.strategies import LambdaSweep, ResampledOutcomes, Strategy

PER_1K = 1_000
N_MATCHED = 4
"""Budgets between the cheapest and the most expensive model at which accuracies are compared."""


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """The result of a strategy at one budget."""

    budget_usd_per_1k: float | None
    """None: unlimited."""
    accuracy: Interval
    usd_per_1k: Interval
    """Realised cost of that accuracy."""


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """One strategy over all budgets.

    Attributes
    ----------
    name, note : str
    area : Interval
        Mean accuracy over log-spaced budgets from the cheapest to the most expensive model.
    difference : Interval
        Area of our router minus that of this strategy, on the same questions.
    oracle_gap_closed : Interval
        ``(area - area of the mixture) / (area of the oracle - area of the mixture)``; NaN
        where the oracle is no better than the mixture.
    at_budgets : tuple of BudgetPoint
    curve, gain_over_mixture : tuple of Interval
        Accuracy at each budget of the area, and the same minus that of the random mixture
        of single models.
    """

    name: str
    note: str
    area: Interval
    difference: Interval
    oracle_gap_closed: Interval
    at_budgets: tuple[BudgetPoint, ...]
    curve: tuple[Interval, ...]
    gain_over_mixture: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class SingleModelRow:
    """The same model for all questions."""

    name: str
    note: str
    accuracy: Interval
    usd_per_1k: Interval
    difference: Interval
    """Accuracy of our router without single models at or under the same cost, minus this one."""


class Leaderboard:
    """All strategies on the same outcomes.

    Parameters
    ----------
    outcomes : ResampledOutcomes
    strategies : mapping of str to (str, Strategy)
        Note and strategy by name.
    ours, mixture, oracle : str
        Names of our router, the random mixture and the oracle among the strategies.
    """

    def __init__(
        self,
        outcomes: ResampledOutcomes,
        strategies: Mapping[str, tuple[str, Strategy]],
        *,
        ours: str,
        mixture: str,
        oracle: str,
    ) -> None:
        self._outcomes, self._strategies = outcomes, strategies
        self._budget_usd_rb = log_budgets(outcomes.mean_usd_rm)
        self.matched_usd = matched_budgets(outcomes.mean_usd_rm[0])
        self._reached = {
            name: strategy.evaluate_at(outcomes, self._budgets())
            for name, (_, strategy) in strategies.items()
        }
        self._area = {name: self._curve(name).area_r() for name in strategies}
        self._ours, self._mixture, self._oracle = (
            self._area[name] for name in (ours, mixture, oracle)
        )
        self._mixture_rb = self._curve(mixture).accuracy_rb

    @property
    def budgets_usd_per_1k(self) -> tuple[float, ...]:
        """Budgets of the area on the sample itself."""
        return tuple((PER_1K * self._budget_usd_rb[0]).tolist())

    def rows(self) -> tuple[LeaderboardRow, ...]:
        """Return the results of every strategy, in the order given."""
        return tuple(self._row(name, note) for name, (note, _) in self._strategies.items())

    def _row(self, name: str, note: str) -> LeaderboardRow:
        area_r = self._area[name]
        oracle_gap_r = self._oracle - self._mixture
        closed_r = np.full_like(area_r, np.nan)
        np.divide(area_r - self._mixture, oracle_gap_r, out=closed_r, where=oracle_gap_r > 1e-9)
        return LeaderboardRow(
            name,
            note,
            Interval.from_replicates(area_r),
            Interval.from_replicates(self._ours - area_r),
            Interval.from_replicates(closed_r),
            tuple(self._at(name, b) for b in range(len(self.matched_usd))),
            Interval.from_columns(self._curve(name).accuracy_rb),
            Interval.from_columns(self._curve(name).accuracy_rb - self._mixture_rb),
        )

    def _at(self, name: str, b: int) -> BudgetPoint:
        column = self._budget_usd_rb.shape[1] + b
        accuracy_r = self._reached[name].accuracy_rb[:, column]
        cost_usd_r = self._reached[name].cost_usd_rb[:, column]
        budget_usd = self.matched_usd[b]
        return BudgetPoint(
            None if np.isinf(budget_usd) else PER_1K * float(budget_usd),
            Interval.from_replicates(accuracy_r),
            Interval.from_replicates(PER_1K * cost_usd_r),
        )

    def _budgets(self) -> FloatArray:
        """Return the budgets of the area, which differ by resample, and the matched ones."""
        n_resamples = len(self._budget_usd_rb)
        # Stands for infinity: finite, yet above the mean cost of any resample.
        limit = self._outcomes.cost_usd_qm.max() + 1
        matched = np.where(np.isinf(self.matched_usd), limit, self.matched_usd)
        return np.hstack([self._budget_usd_rb, np.tile(matched, (n_resamples, 1))])

    def _curve(self, name: str) -> BudgetCurve:
        n, reached = self._budget_usd_rb.shape[1], self._reached[name]
        return BudgetCurve(reached.accuracy_rb[:, :n], reached.cost_usd_rb[:, :n])


def single_model_rows(
    outcomes: ResampledOutcomes, models: tuple[str, ...], ours: LambdaSweep
) -> tuple[SingleModelRow, ...]:
    """Compare every single model with our router at the same cost.

    The settings of our router alone are used here, without the single models that
    `LambdaSweep.evaluate_at` adds to them.
    """
    accuracy_rm, usd_rm = outcomes.accuracy_rm, outcomes.mean_usd_rm
    ours_rm = outcomes.best_within_budget(
        *ours.on_questions(outcomes), usd_rm, or_a_single_model=False
    ).accuracy_rb
    notes = dict.fromkeys(models, "")
    notes[models[int(usd_rm[0].argmin())]] = "the cheapest"
    notes[models[int(usd_rm[0].argmax())]] = "the most expensive"
    return tuple(
        SingleModelRow(
            name,
            notes[name],
            Interval.from_replicates(accuracy_rm[:, m]),
            Interval.from_replicates(PER_1K * usd_rm[:, m]),
            Interval.from_replicates(ours_rm[:, m] - accuracy_rm[:, m]),
        )
        for m, name in enumerate(models)
    )


def matched_budgets(mean_usd_m: FloatArray) -> FloatArray:
    """Return the budgets at which all strategies are compared, USD a question, the last infinite.

    They are log-spaced between the cheapest and the most expensive model, and rounded
    to two digits per thousand questions.
    """
    inner = log_budgets(mean_usd_m[None], N_MATCHED + 2)[0, 1:-1]
    rounded = {float(f"{PER_1K * budget:.2g}") / PER_1K for budget in inner if budget > 0}
    return np.array([*sorted(rounded), np.inf])
