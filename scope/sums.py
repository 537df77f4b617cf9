"""Sums that do not depend on the order or the portions in which their terms come."""

import math

from scope.arrays import FloatArray


class ExactSum:
    """A sum that rounds once, at the end, however many portions it is made of.

    It holds the few floats (two or three, as a rule) that add up to exactly what was added, so that
    a set that streams by in shards has the same total as one held in memory.

    Examples
    --------
    >>> import numpy as np
    >>> total = ExactSum()
    >>> total.add(np.array([1e16, 1.0]))
    >>> total.add(np.array([1.0, -1e16]))
    >>> total.value
    2.0
    """

    def __init__(self) -> None:
        self.partials: list[float] = []
        """Floats whose exact sum is that of all terms."""

    @property
    def value(self) -> float:
        """The sum, correctly rounded."""
        return math.fsum(self.partials)

    def add(self, terms: FloatArray) -> None:
        """Add all of `terms`; an infinite or NaN one makes the sum so."""
        rest = [*self.partials, *terms.tolist()]
        self.partials = []
        while part := math.fsum(rest):
            self.partials.append(part)
            if not math.isfinite(part):
                break
            rest.append(-part)
