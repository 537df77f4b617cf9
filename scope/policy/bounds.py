"""Which models can still change a decision when each estimate is only known to lie in an interval.

A point is an interval whose ends are equal. The policies build their `undecided_models` from
the functions below.
"""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray

TIE_TOLERANCE = 1e-12
"""Utilities closer than this, relative to the sums they are made of, count as tied: rounding may
decide between them."""


@dataclass(frozen=True, slots=True)
class KeyBounds:
    """Bounds of a number that a policy minimises; arrays of shape (n_models,)."""

    low_m: FloatArray
    high_m: FloatArray


@dataclass(frozen=True, slots=True)
class EstimateBounds:
    """Bounds of the estimates for one question; arrays of shape (n_models,), NaN unknown.

    Attributes
    ----------
    p_low_m, p_high_m : ndarray
        Bounds of the probability of a correct answer.
    cost_low_m, cost_high_m : ndarray
        Bounds of the cost of the call, USD.
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
        """Models whose probability or cost is not yet a point."""
        return (self.p_low_m < self.p_high_m) | (self.cost_low_m < self.cost_high_m)

    @property
    def negative_p(self) -> KeyBounds:
        """Bounds of ``-p_correct``."""
        return KeyBounds(-self.p_high_m, -self.p_low_m)

    @property
    def cost(self) -> KeyBounds:
        """Bounds of the cost, USD."""
        return KeyBounds(self.cost_low_m, self.cost_high_m)

    def with_fixed(self, model: int, p_correct: float, cost_usd: float) -> "EstimateBounds":
        """Return the bounds with the estimates of one model fixed to points."""
        ends = [self.p_low_m.copy(), self.p_high_m.copy()]
        ends += [self.cost_low_m.copy(), self.cost_high_m.copy()]
        for end_m, value in zip(ends, (p_correct, p_correct, cost_usd, cost_usd), strict=True):
            end_m[model] = value
        return EstimateBounds(*ends)


def undecided_by_utility(bounds: EstimateBounds, trade_off: float) -> IntArray:
    """Return the models that decide which has the highest ``p - trade_off * cost``."""
    with np.errstate(over="ignore"):
        high_m = bounds.p_high_m - trade_off * bounds.cost_low_m
        low_m = bounds.p_low_m - trade_off * bounds.cost_high_m
        margin = TIE_TOLERANCE * (1 + trade_off * np.nanmax(bounds.cost_high_m, initial=0.0))
    best = low_m[bounds.known_m].max(initial=-np.inf)
    rivals_m = bounds.known_m & (high_m >= best - margin)
    if rivals_m.sum() <= 1:
        return _empty()
    # If all tied models are determined, rounding decides, and any model's numbers can affect it.
    undecided_m = rivals_m & bounds.undetermined_m
    if not undecided_m.any():
        undecided_m = bounds.known_m & bounds.undetermined_m
    return _sorted(undecided_m, -high_m)


def undecided_by_key(bounds: EstimateBounds, key: KeyBounds, tie: KeyBounds) -> IntArray:
    """Return the models that decide which has the lowest `key`, then the lowest `tie`."""
    rivals_m = _possible_minima(bounds.known_m, key)
    if (key.low_m[rivals_m] == key.high_m[rivals_m]).all():
        rivals_m = _possible_minima(rivals_m, tie)
    if rivals_m.sum() <= 1:
        return _empty()
    return _sorted(rivals_m & bounds.undetermined_m, key.low_m, tie.low_m)


def undecided_under_limit(
    bounds: EstimateBounds, limited: KeyBounds, limit: float, key: KeyBounds
) -> IntArray:
    """Return the models that decide which has the lowest `key` with ``limited <= limit``.

    If no model can meet the limit, those that decide which has the lowest `limited`.
    """
    possible_m = bounds.known_m & (limited.low_m <= limit)
    if not possible_m.any():
        return undecided_by_key(bounds, limited, key)
    certain_m = bounds.known_m & (limited.high_m <= limit)
    rivals_m = possible_m
    if certain_m.any():
        rivals_m = possible_m & (key.low_m <= key.high_m[certain_m].min())
        # A model certain to meet the limit is only undecided if its key overlaps another's.
        n_overlapping_m = (key.high_m[rivals_m] >= key.low_m[:, None]).sum(axis=1)
        rivals_m = rivals_m & (~certain_m | (n_overlapping_m > 1))
    return _sorted(rivals_m & bounds.undetermined_m, key.low_m, limited.low_m)


def _possible_minima(among_m: BoolArray, key: KeyBounds) -> BoolArray:
    """Return the models that can have the lowest key of those in `among_m`."""
    lowest_high = key.high_m[among_m].min(initial=np.inf)
    lowest_m: BoolArray = among_m & (key.low_m <= lowest_high)
    return lowest_m


def _sorted(undecided_m: BoolArray, *keys: FloatArray) -> IntArray:
    """Return the indices of the undecided models by rising keys, then in pool order."""
    order_m = np.lexsort(keys[::-1])
    undecided: IntArray = order_m[undecided_m[order_m]]
    return undecided


def _empty() -> IntArray:
    return np.empty(0, dtype=np.int64)
