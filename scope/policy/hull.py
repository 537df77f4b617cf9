"""Convex hulls of cost and probability, and their steps in the order of greedy allocation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import AnyArray, BoolArray, FloatArray, Int16Array, Int32Array, IntArray


@dataclass(frozen=True, slots=True)
class Hulls:
    """One hull for each question.

    Attributes
    ----------
    model_qp : ndarray of shape (n_questions, n_steps)
        Models by rising cost; the last repeats after the end of the hull. -1 in
        a row without known estimates.
    slope_qp : ndarray of shape (n_questions, n_steps - 1)
        Correct answers gained per USD from step ``s`` to ``s + 1``, falling along
        a row; -inf after the end of the hull.
    cost_usd_qp : ndarray of shape (n_questions, n_steps)
        Predicted cost of those models, USD; NaN in a row without known estimates.
    """

    model_qp: IntArray
    slope_qp: FloatArray
    cost_usd_qp: FloatArray

    @classmethod
    def from_estimates(cls, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> "Hulls":
        """Build the hulls, without models whose probability or cost is NaN.

        Of models with equal cost the one with the highest probability is kept, of
        equal ones the first in pool order. A step that gains nothing is left out.
        """
        known_qm = ~(np.isnan(p_correct_qm) | np.isnan(cost_usd_qm))
        cost_qm = np.where(known_qm, cost_usd_qm, np.inf)
        p_qm = np.where(known_qm, p_correct_qm, -np.inf)
        models, costs = [_cheapest(p_qm, cost_qm, known_qm)], []
        slopes: list[FloatArray] = []
        for _ in range(p_qm.shape[1]):
            current_q = np.maximum(models[-1], 0)[:, None]
            cost_q1 = np.take_along_axis(cost_qm, current_q, axis=1)
            p_q1 = np.take_along_axis(p_qm, current_q, axis=1)
            costs.append(np.where(models[-1] >= 0, cost_q1[:, 0], np.nan))
            with np.errstate(invalid="ignore"):  # inf - inf: no step
                gain_qm, extra_qm = p_qm - p_q1, cost_qm - cost_q1
            model_q, slope_q = _steepest(gain_qm, extra_qm, cost_qm)
            if np.isneginf(slope_q).all():
                break
            # Rounding can make a slope slightly steeper than the one before it.
            slopes.append(np.minimum(slope_q, slopes[-1]) if slopes else slope_q)
            models.append(np.where(np.isneginf(slope_q), models[-1], model_q))
        slope_qp = np.stack(slopes, axis=1) if slopes else np.empty((len(p_qm), 0))
        return cls(np.stack(models, axis=1), slope_qp, np.stack(costs[: len(models)], axis=1))

    def choose(self, trade_off: float) -> IntArray:
        """Return the model of each question at `trade_off`; -1 without known estimates.

        Parameters
        ----------
        trade_off : float
            Lambda: correct answers that one USD must buy, >= 0. 0 chooses the
            model most likely correct, infinity the cheapest; ties go to the cheaper.
        """
        return self.models_at(self.n_steps_at(trade_off))

    def n_steps_at(self, trade_off: float) -> IntArray:
        """Return the number of steps that each question takes up its hull at `trade_off`."""
        if not trade_off >= 0:
            raise ValueError(f"trade_off must be at least 0, got {trade_off}")
        steps: IntArray = (self.slope_qp > trade_off).sum(axis=1)
        return steps

    def models_at(self, step_q: IntArray) -> IntArray:
        """Return the model of each question after `step_q` steps up its hull."""
        return np.take_along_axis(self.model_qp, step_q[:, None], axis=1)[:, 0]


def _cheapest(p_qm: FloatArray, cost_qm: FloatArray, known_qm: BoolArray) -> IntArray:
    cheapest_qm = known_qm & (cost_qm == cost_qm.min(axis=1, keepdims=True))
    model_q: IntArray = np.argmax(np.where(cheapest_qm, p_qm, -np.inf), axis=1)
    return np.where(known_qm.any(axis=1), model_q, -1)


def _steepest(
    gain_qm: FloatArray, extra_qm: FloatArray, cost_qm: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return the model that gains most per USD and its slope; -inf where no model gains.

    Of models on one line the most expensive is returned: only the ends of a line are corners.
    """
    step_qm = (gain_qm > 0) & (extra_qm > 0) & np.isfinite(extra_qm)
    slope_qm = np.full(gain_qm.shape, -np.inf)
    with np.errstate(over="ignore"):
        np.divide(gain_qm, extra_qm, out=slope_qm, where=step_qm)
    slope_q = slope_qm.max(axis=1, initial=-np.inf)
    best_qm = step_qm & (slope_qm == slope_q[:, None])
    return np.argmax(np.where(best_qm, cost_qm, -1.0), axis=1), slope_q


@dataclass(frozen=True, slots=True)
class HullIncrements:
    """The steps of many hulls, as a budget needs them: 8 bytes a question and 22 a step.

    Attributes
    ----------
    base_usd_q : ndarray of shape (n_questions,)
        Predicted cost of the cheapest model, USD; NaN without known estimates.
    question_n : ndarray of int32, shape (n_steps,)
        Question of each step, rising.
    step_n : ndarray of int16, shape (n_steps,)
        Index of the step in its hull, from 0, rising within a question.
    slope_n : ndarray of shape (n_steps,)
        Correct answers gained per USD, falling within a question.
    cost_usd_n : ndarray of shape (n_steps,)
        Predicted cost of the question after the step, USD.
    """

    base_usd_q: FloatArray
    question_n: Int32Array
    step_n: Int16Array
    slope_n: FloatArray
    cost_usd_n: FloatArray

    @classmethod
    def from_hulls(cls, hulls: Hulls) -> "HullIncrements":
        """Return the steps of the hulls."""
        question, step = np.nonzero(hulls.slope_qp > -np.inf)
        return cls(
            hulls.cost_usd_qp[:, 0].copy(),
            question.astype(np.int32),
            step.astype(np.int16),
            hulls.slope_qp[question, step],
            hulls.cost_usd_qp[question, step + 1],
        )

    @classmethod
    def concatenate(cls, parts: Sequence["HullIncrements"]) -> "HullIncrements":
        """Concatenate the questions of `parts` and their steps."""
        first = np.cumsum([0, *(len(part.base_usd_q) for part in parts)], dtype=np.int32)
        return cls(
            np.concatenate([part.base_usd_q for part in parts]),
            np.concatenate([p.question_n + at for p, at in zip(parts, first, strict=False)]),
            np.concatenate([part.step_n for part in parts]),
            np.concatenate([part.slope_n for part in parts]),
            np.concatenate([part.cost_usd_n for part in parts]),
        )

    def sort_by_slope(self, rank_q: IntArray) -> "GreedyOrder":
        """Sort all steps of all questions by falling slope.

        Parameters
        ----------
        rank_q : ndarray of shape (n_questions,)
            Order of the questions whose steps have equal slopes.
        """
        before_n = np.where(
            self.step_n > 0, np.roll(self.cost_usd_n, 1), self.base_usd_q[self.question_n]
        )
        order = np.lexsort((self.step_n, rank_q[self.question_n], -self.slope_n))
        extra_n = (self.cost_usd_n - before_n)[order]
        cumulative_usd_n = np.nansum(self.base_usd_q) + np.concatenate([[0.0], np.cumsum(extra_n)])
        return GreedyOrder(self.question_n[order], self.slope_n[order], cumulative_usd_n)

    def cost_usd_q(self, step_q: AnyArray) -> FloatArray:
        """Return the cost of each question after `step_q` of its steps, USD."""
        last = self.step_n == step_q[self.question_n] - 1
        cost_usd_q = self.base_usd_q.copy()
        cost_usd_q[self.question_n[last]] = self.cost_usd_n[last]
        return cost_usd_q


@dataclass(frozen=True, slots=True)
class GreedyOrder:
    """The steps of many questions in the order of greedy allocation.

    Attributes
    ----------
    question_n : ndarray of int32, shape (n_steps,)
        Question of each step.
    slope_n : ndarray of shape (n_steps,)
        Correct answers gained per USD, falling.
    cumulative_cost_usd_n : ndarray of shape (n_steps + 1,)
        Predicted cost of all questions after the first ``n`` steps, rising; the
        first value is the cost of the cheapest models.
    """

    question_n: Int32Array
    slope_n: FloatArray
    cumulative_cost_usd_n: FloatArray

    @property
    def lambda_n(self) -> FloatArray:
        """The lambda that ends after each number of steps, shape (n_steps + 1,)."""
        return np.append(self.slope_n, 0.0)

    def n_affordable(self, budget_usd: float, ratio_n: FloatArray | None = None) -> int:
        """Return the greatest number of steps within `budget_usd`, 0 if none is.

        Parameters
        ----------
        budget_usd : float
        ratio_n : ndarray of shape (n_steps + 1,), optional
            Multiplies the cost after the first ``n`` steps, which then need not rise with ``n``.
        """
        if ratio_n is None:
            n_within = np.searchsorted(self.cumulative_cost_usd_n, budget_usd, side="right")
            return max(int(n_within) - 1, 0)
        within = np.flatnonzero(self.cumulative_cost_usd_n * ratio_n <= budget_usd)
        return int(within[-1]) if within.size else 0

    def lambda_after(self, n_steps: int) -> float:
        """Return the lambda that ends after `n_steps`: the slope of the first step not taken."""
        return float(self.slope_n[n_steps]) if n_steps < len(self.slope_n) else 0.0
