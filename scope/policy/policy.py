"""From predictions to a choice. Every rule looks at one question at a time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray
from scope.errors import ConfigError
from scope.policy.hull import Hulls


@dataclass(frozen=True, slots=True)
class Choices:
    """The model chosen for each question.

    Attributes
    ----------
    model_q : ndarray of int, shape (n_questions,)
        Position in the pool; -1 where nothing is known about any model.
    met_q : ndarray of bool, shape (n_questions,)
        False where no model satisfied the rule and the nearest one was taken.
    """

    model_q: IntArray
    satisfied_q: BoolArray

    def pick(self, values_qm: FloatArray) -> FloatArray:
        """Return the value of the chosen model for each question; NaN where none."""
        picked = np.take_along_axis(values_qm, np.maximum(self.model_q, 0)[:, None], axis=1)[:, 0]
        return np.where(self.model_q >= 0, picked, np.nan)


class Policy(Protocol):
    """A rule that chooses a model from its probability and its cost."""

    def choose(self, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> Choices:
        """Choose for each question; NaN marks what is unknown and never chosen."""
        ...


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """Take the highest ``p - trade_off * cost``; ties go to the cheaper, then to pool order."""

    trade_off: float
    """Lambda, correct answers that one USD must buy: 0 = accuracy only, inf = cheapest."""

    def __post_init__(self) -> None:
        if not self.trade_off >= 0:
            raise ConfigError(f"trade_off is {self.trade_off}; expected at least 0")

    def choose(self, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> Choices:
        """Choose for each question."""
        model_q = Hulls.from_estimates(p_correct_qm, cost_usd_qm).choose(self.trade_off)
        return Choices(model_q, model_q >= 0)


@dataclass(frozen=True, slots=True)
class MinQuality:
    """Take the cheapest model with ``p >= target``, else the likeliest, flagged."""

    target: float
    """Probability of a right answer that is asked for, in [0, 1]."""

    def __post_init__(self) -> None:
        if not 0 <= self.target <= 1:
            raise ConfigError(f"min_quality is {self.target}; expected a probability within 0..1")

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


@dataclass(frozen=True, slots=True)
class MaxCost:
    """Take the likeliest model with ``cost <= limit_usd``, else the cheapest, flagged."""

    limit_usd: float
    """Most that one question may be predicted to cost, USD."""

    def __post_init__(self) -> None:
        if not self.limit_usd >= 0:
            raise ConfigError(f"max_cost_usd is {self.limit_usd}; expected at least 0 USD")

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


def _argmin_with_tiebreak(
    allowed_qm: BoolArray, key_qm: FloatArray, tie_qm: FloatArray
) -> IntArray:
    """Return the allowed model with the lowest key, then lowest tie-break, then pool order."""
    key_qm = np.where(allowed_qm, key_qm, np.inf)
    best_qm = allowed_qm & (key_qm == key_qm.min(axis=1, keepdims=True))
    first_q: IntArray = np.argmin(np.where(best_qm, tie_qm, np.inf), axis=1)
    return first_q


def _choose_or_fallback(
    first_q: IntArray, else_q: IntArray, met_q: BoolArray, known_q: BoolArray
) -> Choices:
    return Choices(np.where(known_q, np.where(met_q, first_q, else_q), -1), met_q)


def filter_models(
    models: tuple[str, ...],
    *,
    allowed: tuple[str, ...] = (),
    denied: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return the models left by an allow and a deny list, in pool order.

    Parameters
    ----------
    models : tuple of str
    allowed : tuple of str
        If any, only these may be chosen.
    denied : tuple of str
        These may not be chosen, even if allowed.

    Raises
    ------
    ConfigError
        If a list names a model that is not there, or nothing is left.
    """
    for name, listed in (("allowed", allowed), ("denied", denied)):
        if strangers := [model for model in listed if model not in models]:
            raise ConfigError(
                f"{name} models {', '.join(strangers)} are not in the pool of {', '.join(models)}"
            )
    left = tuple(m for m in models if (not allowed or m in allowed) and m not in denied)
    if not left:
        raise ConfigError("allow and deny lists leave no model to choose from")
    return left
