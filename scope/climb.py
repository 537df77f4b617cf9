"""The steps of many questions up their hulls, in the order in which money should take them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import AnyArray, FloatArray, Int16Array, Int32Array, IntArray
from scope.hull import Hulls


@dataclass(frozen=True, slots=True)
class HullIncrements:
    """All that a budget must know of many questions: 8 bytes each, and 22 for each step.

    Attributes
    ----------
    base_usd_q : ndarray of shape (n_questions,)
        Predicted cost of the cheapest model; NaN where nothing is known.
    question_n : ndarray of int32, shape (n_steps,)
        Whose step it is, rising.
    step_n : ndarray of int16, shape (n_steps,)
        Which of its steps, from 0, rising within a question.
    slope_n : ndarray of shape (n_steps,)
        Correct answers gained per USD, falling within a question.
    cost_usd_n : ndarray of shape (n_steps,)
        Predicted cost of the question after the step.
    """

    base_usd_q: FloatArray
    question_n: Int32Array
    step_n: Int16Array
    slope_n: FloatArray
    cost_usd_n: FloatArray

    @classmethod
    def from_hulls(cls, hulls: Hulls) -> "HullIncrements":
        """Return the steps of these hulls."""
        question, step = np.nonzero(hulls.slope_qs > -np.inf)
        return cls(
            hulls.cost_usd_qs[:, 0].copy(),
            question.astype(np.int32),
            step.astype(np.int16),
            hulls.slope_qs[question, step],
            hulls.cost_usd_qs[question, step + 1],
        )

    @classmethod
    def concatenate(cls, parts: Sequence["HullIncrements"]) -> "HullIncrements":
        """Return the steps of all the questions of `parts`, one part after the other."""
        first = np.cumsum([0, *(len(part.base_usd_q) for part in parts)], dtype=np.int32)
        return cls(
            np.concatenate([part.base_usd_q for part in parts]),
            np.concatenate([p.question_n + at for p, at in zip(parts, first, strict=False)]),
            np.concatenate([part.step_n for part in parts]),
            np.concatenate([part.slope_n for part in parts]),
            np.concatenate([part.cost_usd_n for part in parts]),
        )

    def sort_by_slope(self, rank_q: IntArray) -> "GreedyOrder":
        """Line up all steps of all questions, best bargain first.

        Parameters
        ----------
        rank_q : ndarray of shape (n_questions,)
            Who goes first where two questions' steps are equally good.
        """
        before_n = np.where(
            self.step_n > 0, np.roll(self.cost_usd_n, 1), self.base_usd_q[self.question_n]
        )
        order = np.lexsort((self.step_n, rank_q[self.question_n], -self.slope_n))
        extra_n = (self.cost_usd_n - before_n)[order]
        bill_usd_n = np.nansum(self.base_usd_q) + np.concatenate([[0.0], np.cumsum(extra_n)])
        return GreedyOrder(self.question_n[order], self.slope_n[order], bill_usd_n)

    def cost_usd_q(self, step_q: AnyArray) -> FloatArray:
        """Return what every question costs after `step_q` of its steps."""
        last = self.step_n == step_q[self.question_n] - 1
        cost_usd_q = self.base_usd_q.copy()
        cost_usd_q[self.question_n[last]] = self.cost_usd_n[last]
        return cost_usd_q


@dataclass(frozen=True, slots=True)
class GreedyOrder:
    """The steps of many questions in the order in which money should take them.

    Attributes
    ----------
    question_n : ndarray of int32, shape (n_steps,)
        Whose step it is.
    slope_n : ndarray of shape (n_steps,)
        Correct answers gained per USD, falling.
    bill_usd_n : ndarray of shape (n_steps + 1,)
        Predicted cost of all questions after the first ``n`` steps, rising;
        ``bill_usd_n[0]`` is the bill of the cheapest models.
    """

    question_n: Int32Array
    slope_n: FloatArray
    cumulative_cost_usd_n: FloatArray

    def n_affordable(self, budget_usd: float) -> int:
        """Return how many steps fit within `budget_usd`, by bisection; 0 if none does."""
        return max(
            int(np.searchsorted(self.cumulative_cost_usd_n, budget_usd, side="right")) - 1, 0
        )

    def lambda_after(self, n_steps: int) -> float:
        """Return the lambda that stops after `n_steps`: the slope of the first step not taken."""
        return float(self.slope_n[n_steps]) if n_steps < len(self.slope_n) else 0.0
