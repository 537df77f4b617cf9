"""Which models could still change a decision, given what their answers can at most do.

Every number of a question is known to lie in an interval: a point where nothing can change
it any more. A model is asked only where two ends of intervals leave the decision open.
"""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Bools, Floats, Ints
from scope.policy import ExpectedValue, MaxCost, MinQuality, Policy

MARGIN = 1e-12
"""Values nearer than this, relative to the sums they are made of, count as tied: rounding may
decide between them."""


@dataclass(frozen=True, slots=True)
class Box:
    """All that one question may come to; arrays of shape (n_models,), NaN unknown.

    Attributes
    ----------
    p_low_m, p_high_m : ndarray
        Ends of the probability of a right answer.
    cost_low_m, cost_high_m : ndarray
        Ends of the price of the call, USD.
    """

    p_low_m: Floats
    p_high_m: Floats
    cost_low_m: Floats
    cost_high_m: Floats

    @property
    def known_m(self) -> Bools:
        """Models that a policy may choose."""
        known_m: Bools = ~np.isnan(self.p_low_m + self.cost_low_m)
        return known_m

    @property
    def open_m(self) -> Bools:
        """Models of which an answer would still change a number."""
        return (self.p_low_m < self.p_high_m) | (self.cost_low_m < self.cost_high_m)

    def settled(self, model: int, p_correct: float, cost_usd: float) -> "Box":
        """Return the box once no answer can change the numbers of a model any more."""
        ends = [self.p_low_m.copy(), self.p_high_m.copy()]
        ends += [self.cost_low_m.copy(), self.cost_high_m.copy()]
        for end_m, value in zip(ends, (p_correct, p_correct, cost_usd, cost_usd), strict=True):
            end_m[model] = value
        return Box(*ends)


@dataclass(frozen=True, slots=True)
class Span:
    """Something of each model that a rule wants low, between its ends."""

    low_m: Floats
    high_m: Floats


def contenders(policy: Policy, box: Box) -> Ints:
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
    doubt, price = Span(-box.p_high_m, -box.p_low_m), Span(box.cost_low_m, box.cost_high_m)
    match policy:
        case ExpectedValue(trade_off) if np.isinf(trade_off):
            return _least(box, price, doubt)
        case ExpectedValue(trade_off):
            return _most_valuable(box, trade_off)
        case MinQuality(target):
            return _gated(box, doubt, -target, price)
        case MaxCost(limit_usd):
            return _gated(box, price, limit_usd, doubt)
    raise TypeError(f"{type(policy).__name__} is no policy whose decisions can be bounded")


def _most_valuable(box: Box, trade_off: float) -> Ints:
    """Return who may have the highest ``p - trade_off * cost``."""
    with np.errstate(over="ignore"):
        high_m = box.p_high_m - trade_off * box.cost_low_m
        low_m = box.p_low_m - trade_off * box.cost_high_m
        margin = MARGIN * (1 + trade_off * np.nanmax(box.cost_high_m, initial=0.0))
    best = low_m[box.known_m].max(initial=-np.inf)
    rivals_m = box.known_m & (high_m >= best - margin)
    if rivals_m.sum() <= 1:
        return _nobody()
    # Where those who are tied have all answered, rounding decides, and anybody's number may
    # have a part in it.
    asked_m = rivals_m & box.open_m
    return _sorted(asked_m if asked_m.any() else box.known_m & box.open_m, -high_m)


def _least(box: Box, key: Span, tie: Span) -> Ints:
    """Return who may be lowest in `key`, then in `tie`; pool order asks for no answer."""
    rivals_m = _lowest(box.known_m, key)
    if (key.low_m[rivals_m] == key.high_m[rivals_m]).all():
        rivals_m = _lowest(rivals_m, tie)
    if rivals_m.sum() <= 1:
        return _nobody()
    return _sorted(rivals_m & box.open_m, key.low_m, tie.low_m)


def _gated(box: Box, gate: Span, limit: float, key: Span) -> Ints:
    """Return who may be lowest in `key` of those within the limit, else lowest in `gate`."""
    may_m = box.known_m & (gate.low_m <= limit)
    if not may_m.any():
        return _least(box, gate, key)
    sure_m = box.known_m & (gate.high_m <= limit)
    rivals_m = may_m
    if sure_m.any():
        rivals_m = may_m & (key.low_m <= key.high_m[sure_m].min())
        # Who is surely within the limit is asked only to tell it from another.
        met_m = (key.high_m[rivals_m] >= key.low_m[:, None]).sum(axis=1)
        rivals_m = rivals_m & (~sure_m | (met_m > 1))
    return _sorted(rivals_m & box.open_m, key.low_m, gate.low_m)


def _lowest(among_m: Bools, key: Span) -> Bools:
    """Return who of some may have the lowest key."""
    least = key.high_m[among_m].min(initial=np.inf)
    lowest_m: Bools = among_m & (key.low_m <= least)
    return lowest_m


def _sorted(asked_m: Bools, *keys: Floats) -> Ints:
    """Return the models asked for by rising keys, then in pool order."""
    order_m = np.lexsort(keys[::-1])
    asked: Ints = order_m[asked_m[order_m]]
    return asked


def _nobody() -> Ints:
    return np.empty(0, dtype=np.int64)
