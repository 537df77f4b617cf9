"""Policies: from probabilities and costs to a choice, one question at a time."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray
from scope.errors import ConfigError
from scope.policy.bounds import (
    EstimateBounds,
    undecided_by_key,
    undecided_by_utility,
    undecided_under_limit,
)
from scope.policy.hull import Hulls


@dataclass(frozen=True, slots=True)
class Choices:
    """The model chosen for each question.

    Attributes
    ----------
    model_q : ndarray of int, shape (n_questions,)
        Index in the pool; -1 where no model has known estimates.
    satisfied_q : ndarray of bool, shape (n_questions,)
        False where no model meets the policy's constraint and the nearest one is chosen.
    """

    model_q: IntArray
    satisfied_q: BoolArray

    def pick(self, values_qm: FloatArray) -> FloatArray:
        """Return the value of the chosen model for each question; NaN where there is none."""
        picked = np.take_along_axis(values_qm, np.maximum(self.model_q, 0)[:, None], axis=1)[:, 0]
        return np.where(self.model_q >= 0, picked, np.nan)


class Policy(Protocol):
    """A rule that chooses a model from its probability and its cost, and all that follows from it.

    Another policy is another class with these members, and a line in
    `scope.routing.Objective.policy`. Instances are frozen, hashable and picklable.
    """

    @property
    def name(self) -> str:
        """Name in files, responses and metrics."""
        ...

    @property
    def settings(self) -> dict[str, float]:
        """Parameters by name."""
        ...

    def choose(self, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> Choices:
        """Choose a model for each question; one with a NaN estimate is never chosen."""
        ...

    def sort_key(self, p_correct: float, cost_usd: float) -> tuple[float, ...]:
        """Return the key that orders models from best to worst; ties go by pool order."""
        ...

    def utility(self, p_correct_m: FloatArray, cost_usd_m: FloatArray) -> FloatArray:
        """Return the number that the policy maximises, in correct answers; NaN if there is none."""
        ...

    def cost_weight(self, p_correct: float, cost_usd: float) -> float | None:
        """Return the correct answers that one USD must buy to replace a model, in [0, inf].

        None if the model does not meet the policy's constraint.
        """
        ...

    def undecided_models(self, bounds: EstimateBounds) -> IntArray:
        """Return the models whose estimates can still change the choice, most promising first.

        If there are none, the choice and whether it satisfies the policy are the same for all
        estimates within the bounds. The first model is the one chosen if every estimate takes
        its best value: no other order of queries can settle the choice without querying it.
        """
        ...

    def gain(
        self, p_wm: FloatArray, cost_wm: FloatArray, p_m: FloatArray, cost_m: FloatArray
    ) -> FloatArray:
        """Return what choosing again gains over the current choice, shape (n_outcomes,).

        Parameters
        ----------
        p_wm, cost_wm : ndarray of shape (n_outcomes, n_models)
            Estimates after each possible outcome of a query.
        p_m, cost_m : ndarray of shape (n_models,)
            Current estimates.
        """
        ...

    def query_cost(self, cost_usd: float) -> float:
        """Return the cost of a query in the unit of `gain`."""
        ...


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """Choose the highest ``p - trade_off * cost``; ties go to the cheaper, then by pool order."""

    name: ClassVar[str] = "expected_value"

    trade_off: float
    """Lambda, correct answers that one USD must buy: 0 = accuracy only, inf = cost only."""

    def __post_init__(self) -> None:
        if not self.trade_off >= 0:
            raise ConfigError(f"trade_off is {self.trade_off}; expected at least 0")

    @property
    def settings(self) -> dict[str, float]:
        """Parameters by name."""
        return {"trade_off": self.trade_off}

    def choose(self, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> Choices:
        """Choose for each question."""
        model_q = Hulls.from_estimates(p_correct_qm, cost_usd_qm).choose(self.trade_off)
        return Choices(model_q, model_q >= 0)

    def sort_key(self, p_correct: float, cost_usd: float) -> tuple[float, ...]:
        """Return the negative utility, then the cost."""
        if math.isinf(self.trade_off):
            return (cost_usd, -p_correct)
        return (self.trade_off * cost_usd - p_correct, cost_usd)

    def utility(self, p_correct_m: FloatArray, cost_usd_m: FloatArray) -> FloatArray:
        """Return ``p - trade_off * cost``; NaN where the trade-off is infinite."""
        if math.isinf(self.trade_off):
            return np.full_like(p_correct_m, np.nan)
        utility_m: FloatArray = p_correct_m - self.trade_off * cost_usd_m
        return utility_m

    def cost_weight(self, p_correct: float, cost_usd: float) -> float | None:
        """Return the trade-off."""
        return self.trade_off

    def undecided_models(self, bounds: EstimateBounds) -> IntArray:
        """Return the models that can still have the highest utility."""
        if math.isinf(self.trade_off):
            return undecided_by_key(bounds, bounds.cost, bounds.negative_p)
        return undecided_by_utility(bounds, self.trade_off)

    def gain(
        self, p_wm: FloatArray, cost_wm: FloatArray, p_m: FloatArray, cost_m: FloatArray
    ) -> FloatArray:
        """Return the gain in utility, or in USD where the trade-off is infinite."""
        cost_only = math.isinf(self.trade_off)
        value_wm = -cost_wm if cost_only else p_wm - self.trade_off * cost_wm
        current = np.nanargmax(-cost_m if cost_only else p_m - self.trade_off * cost_m)
        gain_w: FloatArray = np.nanmax(value_wm, axis=1) - value_wm[:, current]
        return gain_w

    def query_cost(self, cost_usd: float) -> float:
        """Return the cost in correct answers, or in USD where the trade-off is infinite."""
        return cost_usd if math.isinf(self.trade_off) else cost_usd * self.trade_off


@dataclass(frozen=True, slots=True)
class MinQuality:
    """Choose the cheapest model with ``p >= target``, else the one with the highest p, flagged."""

    name: ClassVar[str] = "min_quality"

    target: float
    """Required probability of a correct answer, in [0, 1]."""

    def __post_init__(self) -> None:
        if not 0 <= self.target <= 1:
            raise ConfigError(f"min_quality is {self.target}; expected a probability within 0..1")

    @property
    def settings(self) -> dict[str, float]:
        """Parameters by name."""
        return {"min_quality": self.target}

    def choose(self, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> Choices:
        """Choose for each question."""
        known_qm: BoolArray = ~np.isnan(p_correct_qm + cost_usd_qm)
        good_qm: BoolArray = known_qm & (p_correct_qm >= self.target)
        return _choose_or_fallback(
            _argmin_with_tiebreak(good_qm, cost_usd_qm, -p_correct_qm),
            _argmin_with_tiebreak(known_qm, -p_correct_qm, cost_usd_qm),
            np.any(good_qm, axis=1),
            np.any(known_qm, axis=1),
        )

    def sort_key(self, p_correct: float, cost_usd: float) -> tuple[float, ...]:
        """Return models that reach the target first, by cost; then the others by probability."""
        if p_correct >= self.target:
            return (0, cost_usd, -p_correct)
        return (1, -p_correct, cost_usd)

    def utility(self, p_correct_m: FloatArray, cost_usd_m: FloatArray) -> FloatArray:
        """Return NaN: probability and cost are not added up."""
        return np.full_like(p_correct_m, np.nan)

    def cost_weight(self, p_correct: float, cost_usd: float) -> float | None:
        """Return inf: among models that reach the target only cost counts."""
        return math.inf if p_correct >= self.target else None

    def undecided_models(self, bounds: EstimateBounds) -> IntArray:
        """Return the models that can still be the cheapest that reaches the target."""
        return undecided_under_limit(bounds, bounds.negative_p, -self.target, bounds.cost)

    def gain(
        self, p_wm: FloatArray, cost_wm: FloatArray, p_m: FloatArray, cost_m: FloatArray
    ) -> FloatArray:
        """Return the USD that each change of choice saves or adds: the target comes first."""
        return np.abs(_gain_of_choice(self, cost_wm, (p_wm, cost_wm), (p_m, cost_m)))

    def query_cost(self, cost_usd: float) -> float:
        """Return the cost in USD."""
        return cost_usd


@dataclass(frozen=True, slots=True)
class MaxCost:
    """Choose the model with the highest p and ``cost <= limit_usd``, else the cheapest, flagged."""

    name: ClassVar[str] = "max_cost_usd"

    limit_usd: float
    """Highest predicted cost of one question, USD."""

    def __post_init__(self) -> None:
        if not self.limit_usd >= 0:
            raise ConfigError(f"max_cost_usd is {self.limit_usd}; expected at least 0 USD")

    @property
    def settings(self) -> dict[str, float]:
        """Parameters by name."""
        return {"max_cost_usd": self.limit_usd}

    def choose(self, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> Choices:
        """Choose for each question."""
        known_qm: BoolArray = ~np.isnan(p_correct_qm + cost_usd_qm)
        cheap_qm: BoolArray = known_qm & (cost_usd_qm <= self.limit_usd)
        return _choose_or_fallback(
            _argmin_with_tiebreak(cheap_qm, -p_correct_qm, cost_usd_qm),
            _argmin_with_tiebreak(known_qm, cost_usd_qm, -p_correct_qm),
            np.any(cheap_qm, axis=1),
            np.any(known_qm, axis=1),
        )

    def sort_key(self, p_correct: float, cost_usd: float) -> tuple[float, ...]:
        """Return models within the limit first, by probability; then the others by cost."""
        if cost_usd <= self.limit_usd:
            return (0, -p_correct, cost_usd)
        return (1, cost_usd, -p_correct)

    def utility(self, p_correct_m: FloatArray, cost_usd_m: FloatArray) -> FloatArray:
        """Return NaN: probability and cost are not added up."""
        return np.full_like(p_correct_m, np.nan)

    def cost_weight(self, p_correct: float, cost_usd: float) -> float | None:
        """Return 0: among models within the limit only the probability counts."""
        return 0.0 if cost_usd <= self.limit_usd else None

    def undecided_models(self, bounds: EstimateBounds) -> IntArray:
        """Return the models that can still be the most likely correct one within the limit."""
        return undecided_under_limit(bounds, bounds.cost, self.limit_usd, bounds.negative_p)

    def gain(
        self, p_wm: FloatArray, cost_wm: FloatArray, p_m: FloatArray, cost_m: FloatArray
    ) -> FloatArray:
        """Return the gain in correct answers; a model over the limit counts as wrong."""
        within_wm = np.where(cost_wm <= self.limit_usd, p_wm, 0.0)
        return _gain_of_choice(self, within_wm, (p_wm, cost_wm), (p_m, cost_m))

    def query_cost(self, cost_usd: float) -> float:
        """Return the cost in correct answers: one is worth at least the limit."""
        if cost_usd == 0:
            return 0.0
        return cost_usd / self.limit_usd if self.limit_usd > 0 else math.inf


def _argmin_with_tiebreak(
    allowed_qm: BoolArray, key_qm: FloatArray, tie_qm: FloatArray
) -> IntArray:
    """Return the allowed model with the lowest key, then lowest tie-break, then pool order."""
    key_qm = np.where(allowed_qm, key_qm, np.inf)
    best_qm = allowed_qm & (key_qm == key_qm.min(axis=1, keepdims=True))
    first_q: IntArray = np.argmin(np.where(best_qm, tie_qm, np.inf), axis=1)
    return first_q


def _choose_or_fallback(
    best_q: IntArray, fallback_q: IntArray, satisfied_q: BoolArray, known_q: BoolArray
) -> Choices:
    model_q = np.where(known_q, np.where(satisfied_q, best_q, fallback_q), -1)
    return Choices(model_q, satisfied_q)


def _gain_of_choice(
    policy: Policy,
    value_wm: FloatArray,
    outcomes: tuple[FloatArray, FloatArray],
    now: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Return the value of the new choice less that of the current one, for each outcome."""
    current = policy.choose(now[0][None], now[1][None]).model_q[0]
    gain_w: FloatArray = policy.choose(*outcomes).pick(value_wm) - value_wm[:, current]
    return gain_w


def filter_models(
    models: tuple[str, ...],
    *,
    allowed: tuple[str, ...] = (),
    denied: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return the models that pass an allow list and a deny list, in pool order.

    Parameters
    ----------
    models : tuple of str
    allowed : tuple of str
        If not empty, only these may be chosen.
    denied : tuple of str
        These may not be chosen, even if allowed.

    Raises
    ------
    ConfigError
        If a list names a model that is not in the pool, or no model is left.
    """
    for name, listed in (("allowed", allowed), ("denied", denied)):
        if unknown := [model for model in listed if model not in models]:
            raise ConfigError(
                f"{name} models {', '.join(unknown)} are not in the pool of {', '.join(models)}"
            )
    left = tuple(m for m in models if (not allowed or m in allowed) and m not in denied)
    if not left:
        raise ConfigError("allow and deny lists leave no model to choose from")
    return left
