"""Where every way of choosing ends up: areas, matched budgets, differences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.evaluation.bootstrap import Interval
from scope.evaluation.budget_curve import BudgetCurve, best_within_budget, log_budgets
from scope.evaluation.strategies import LambdaSweep, ResampledOutcomes, Strategy

PER_1K = 1_000
N_MATCHED = 4
"""Budgets between the cheapest and the dearest model at which accuracies are compared."""


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """What is reached at one budget."""

    budget_usd_per_1k: float | None
    """None: at any cost."""
    accuracy: Interval
    usd_per_1k: Interval
    """What that accuracy cost."""
    pgr: Interval
    """Share of the way from the worst single model to any model right."""


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """One way to choose over all budgets.

    Attributes
    ----------
    name, note : str
    area : Interval
        Mean accuracy over log-spaced budgets from the cheapest to the dearest model.
    difference : Interval
        Area of our router minus this one, on the same questions.
    oracle_gap_closed : Interval
        ``(area - area of the mix) / (area of the oracle - area of the mix)``; NaN where
        the oracle is no better than the mix.
    at_budgets : tuple of BudgetPoint
    curve, gain_over_mixture : tuple of Interval
        Accuracy at each of the budgets of the area, and how far it lies above that of
        the mix of single models there.
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
    """A way to choose that has no dial: one model for all, or a random one."""

    name: str
    note: str
    accuracy: Interval
    usd_per_1k: Interval
    difference: Interval
    """Accuracy of our router alone at or under the same cost, minus this one."""


class Leaderboard:
    """All contenders on one record.

    Parameters
    ----------
    record : ResampledOutcomes
    contenders : mapping of str to (str, Strategy)
        Note and contender by name.
    ours, mix, oracle : str
        Which of them these are.
    """

    def __init__(
        self,
        record: ResampledOutcomes,
        contenders: Mapping[str, tuple[str, Strategy]],
        *,
        ours: str,
        mix: str,
        oracle: str,
    ) -> None:
        self._record, self._contenders = record, contenders
        self._budget_usd_rb = log_budgets(record.mean_usd_rm)
        self.matched_usd = matched_budgets(record.mean_usd_rm[0])
        self._reached = {
            name: contender.evaluate_at(record, self._budgets())
            for name, (_, contender) in contenders.items()
        }
        self._area = {name: self._curve(name).area_r() for name in contenders}
        self._ours, self._mix, self._oracle = (self._area[name] for name in (ours, mix, oracle))
        self._mix_curve_rb = self._curve(mix).accuracy_rb

    @property
    def budgets_usd_per_1k(self) -> tuple[float, ...]:
        """Budgets of the area on the questions as they are."""
        return tuple((PER_1K * self._budget_usd_rb[0]).tolist())

    def rows(self) -> tuple[LeaderboardRow, ...]:
        """Return where every contender ends up, in the order given."""
        return tuple(self._standing(name, note) for name, (note, _) in self._contenders.items())

    def _standing(self, name: str, note: str) -> LeaderboardRow:
        area_r = self._area[name]
        way_r = self._oracle - self._mix
        share_r = np.full_like(area_r, np.nan)
        np.divide(area_r - self._mix, way_r, out=share_r, where=way_r > 1e-9)
        return LeaderboardRow(
            name,
            note,
            Interval.from_replicates(area_r),
            Interval.from_replicates(self._ours - area_r),
            Interval.from_replicates(share_r),
            tuple(self._at(name, b) for b in range(len(self.matched_usd))),
            Interval.of_columns(self._curve(name).accuracy_rb),
            Interval.of_columns(self._curve(name).accuracy_rb - self._mix_curve_rb),
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
            Interval.from_replicates(self._pgr(accuracy_r)),
        )

    def _pgr(self, accuracy_r: FloatArray) -> FloatArray:
        floor_r = self._record.accuracy_rm.min(axis=1)
        oracle_r = self._record.weight_rq @ self._record.correct_qm.max(axis=1)
        pgr_r: FloatArray = np.full_like(floor_r, np.nan)
        way_r = oracle_r - floor_r
        np.divide(accuracy_r - floor_r, way_r, out=pgr_r, where=way_r > 1e-9)
        return pgr_r

    def _budgets(self) -> FloatArray:
        """Return the budgets of the area, which differ by resample, and the matched ones."""
        n_resamples = len(self._budget_usd_rb)
        # More than the mean cost can be in any resample, yet a number to reckon with.
        limit = self._record.cost_usd_qm.max() + 1
        matched = np.where(np.isinf(self.matched_usd), limit, self.matched_usd)
        return np.hstack([self._budget_usd_rb, np.tile(matched, (n_resamples, 1))])

    def _curve(self, name: str) -> BudgetCurve:
        n, reached = self._budget_usd_rb.shape[1], self._reached[name]
        return BudgetCurve(reached.accuracy_rb[:, :n], reached.cost_usd_rb[:, :n])


def single_model_rows(
    record: ResampledOutcomes, models: tuple[str, ...], ours: LambdaSweep
) -> tuple[SingleModelRow, ...]:
    """Compare every single model, and a random one, with our router at their own cost.

    Our router stands alone here: taking one model for all is what it is compared with.
    """
    names = [*models, "random model"]
    accuracy_rm, usd_rm = (
        np.hstack([values_rm, values_rm.mean(axis=1, keepdims=True)])
        for values_rm in (record.accuracy_rm, record.mean_usd_rm)
    )
    ours_rm = best_within_budget(*ours.settings(record), usd_rm).accuracy_rb
    notes = dict.fromkeys(names, "")
    notes["random model"] = "drawn for each question"
    notes[models[int(record.mean_usd_rm[0].argmin())]] = "the cheapest"
    notes[models[int(record.mean_usd_rm[0].argmax())]] = "the dearest"
    return tuple(
        SingleModelRow(
            name,
            notes[name],
            Interval.from_replicates(accuracy_rm[:, m]),
            Interval.from_replicates(PER_1K * usd_rm[:, m]),
            Interval.from_replicates(ours_rm[:, m] - accuracy_rm[:, m]),
        )
        for m, name in enumerate(names)
    )


def matched_budgets(mean_usd_m: FloatArray) -> FloatArray:
    """Return budgets at which all are compared, in USD a question, the last infinite.

    They lie evenly in the log between the cheapest and the dearest model, and are
    rounded to two digits for a thousand questions.
    """
    inner = log_budgets(mean_usd_m[None], N_MATCHED + 2)[0, 1:-1]
    rounded = {float(f"{PER_1K * budget:.2g}") / PER_1K for budget in inner if budget > 0}
    return np.array([*sorted(rounded), np.inf])
