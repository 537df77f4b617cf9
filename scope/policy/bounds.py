"""Which models could still change a decision, given what their answers can at most do.

Every number of a question is known to lie in an interval: a point where nothing can change
it any more. A model is asked only where two ends of intervals leave the decision open.
"""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray
from scope.policy import ExpectedValue, MaxCost, MinQuality, Policy

TIE_TOLERANCE = 1e-12
"""Values nearer than this, relative to the sums they are made of, count as tied: rounding may
decide between them."""


@dataclass(frozen=True, slots=True)
class EstimateBounds:
    """All that one question may come to; arrays of shape (n_models,), NaN unknown.

    Attributes
    ----------
    p_low_m, p_high_m : ndarray
        Ends of the probability of a right answer.
    cost_low_m, cost_high_m : ndarray
        Ends of the price of the call, USD.
    """

    p_low_m: FloatArray
    p_high_m: FloatArray
    cost_low_m: FloatArray
    cost_high_m: FloatArray

    @property
    def known_m(self) -> BoolArray:
        """Models that a policy may choose."""
        known_m: BoolArray = ~np.isnan(self.p_low_m + self.cost_low_m)
        return known_m

    @property
    def undetermined_m(self) -> BoolArray:
        """Models of which an answer would still change a number."""
        return (self.p_low_m < self.p_high_m) | (self.cost_low_m < self.cost_high_m)

    def with_fixed(self, model: int, p_correct: float, cost_usd: float) -> "EstimateBounds":
        """Return the box once no answer can change the numbers of a model any more."""
        ends = [self.p_low_m.copy(), self.p_high_m.copy()]
        ends += [self.cost_low_m.copy(), self.cost_high_m.copy()]
        for end_m, value in zip(ends, (p_correct, p_correct, cost_usd, cost_usd), strict=True):
            end_m[model] = value
        return EstimateBounds(*ends)


@dataclass(frozen=True, slots=True)
class KeyBounds:
    """Something of each model that a rule wants low, between its ends."""

    low_m: FloatArray
    high_m: FloatArray


def undecided_models(policy: Policy, box: EstimateBounds) -> IntArray:
    """Return the models whose answer could still change the decision, most promising first.

    If none are left, the choice, and whether it meets the rule, is the same whatever the
    answers will be. First comes the model that the rule would take if every answer were as good
    as it can be: whoever is never asked then was worse at best than somebody who was asked, so
    that no other order could have settled the matter without asking that far.

    Raises
    ------
    TypeError
        If it is not known how the policy decides.
    """
    doubt, price = (
        KeyBounds(-box.p_high_m, -box.p_low_m),
        KeyBounds(box.cost_low_m, box.cost_high_m),
    )
    match policy:
        case ExpectedValue(trade_off) if np.isinf(trade_off):
            return _candidates_for_min(box, price, doubt)
        case ExpectedValue(trade_off):
            return _candidates_for_utility(box, trade_off)
        case MinQuality(target):
            return _candidates_under_constraint(box, doubt, -target, price)
        case MaxCost(limit_usd):
            return _candidates_under_constraint(box, price, limit_usd, doubt)
    raise TypeError(f"{type(policy).__name__} is no policy whose decisions can be bounded")


def _candidates_for_utility(box: EstimateBounds, trade_off: float) -> IntArray:
    """Return who may have the highest ``p - trade_off * cost``."""
    with np.errstate(over="ignore"):
        high_m = box.p_high_m - trade_off * box.cost_low_m
        low_m = box.p_low_m - trade_off * box.cost_high_m
        margin = TIE_TOLERANCE * (1 + trade_off * np.nanmax(box.cost_high_m, initial=0.0))
    best = low_m[box.known_m].max(initial=-np.inf)
    rivals_m = box.known_m & (high_m >= best - margin)
    if rivals_m.sum() <= 1:
        return _empty()
    # Where those who are tied have all answered, rounding decides, and anybody's number may
    # have a part in it.
    asked_m = rivals_m & box.undetermined_m
    return _sorted(asked_m if asked_m.any() else box.known_m & box.undetermined_m, -high_m)


def _candidates_for_min(box: EstimateBounds, key: KeyBounds, tie: KeyBounds) -> IntArray:
    """Return who may be lowest in `key`, then in `tie`; pool order asks for no answer."""
    rivals_m = _possible_minima(box.known_m, key)
    if (key.low_m[rivals_m] == key.high_m[rivals_m]).all():
        rivals_m = _possible_minima(rivals_m, tie)
    if rivals_m.sum() <= 1:
        return _empty()
    return _sorted(rivals_m & box.undetermined_m, key.low_m, tie.low_m)


def _candidates_under_constraint(
    box: EstimateBounds, gate: KeyBounds, limit: float, key: KeyBounds
) -> IntArray:
    """Return who may be lowest in `key` of those within the limit, else lowest in `gate`."""
    may_m = box.known_m & (gate.low_m <= limit)
    if not may_m.any():
        return _candidates_for_min(box, gate, key)
    sure_m = box.known_m & (gate.high_m <= limit)
    rivals_m = may_m
    if sure_m.any():
        rivals_m = may_m & (key.low_m <= key.high_m[sure_m].min())
        # Who is surely within the limit is asked only to tell it from another.
        met_m = (key.high_m[rivals_m] >= key.low_m[:, None]).sum(axis=1)
        rivals_m = rivals_m & (~sure_m | (met_m > 1))
    return _sorted(rivals_m & box.undetermined_m, key.low_m, gate.low_m)


def _possible_minima(among_m: BoolArray, key: KeyBounds) -> BoolArray:
    """Return who of some may have the lowest key."""
    least = key.high_m[among_m].min(initial=np.inf)
    lowest_m: BoolArray = among_m & (key.low_m <= least)
    return lowest_m


def _sorted(asked_m: BoolArray, *keys: FloatArray) -> IntArray:
    """Return the models asked for by rising keys, then in pool order."""
    order_m = np.lexsort(keys[::-1])
    asked: IntArray = order_m[asked_m[order_m]]
    return asked


def _empty() -> IntArray:
    return np.empty(0, dtype=np.int64)
