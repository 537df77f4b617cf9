"""Real over planned bill of the chosen models, along the alpha scale."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from scope.arrays import FloatArray
from scope.config import StrictModel

N_POINTS = 11
"""Points of the curve: alpha = 0, 0.1 … 1."""

MIN_STANDARD_ERRORS = 2.0
"""Distance from 1, in standard errors, from which a ratio is shown and not noise."""

Curve = Annotated[tuple[float, ...], Field(min_length=N_POINTS, max_length=N_POINTS)]


class BillRatio(StrictModel):
    """Real over planned bill of what a policy chooses for the anchors, by alpha.

    Of noisy bargains a policy takes those whose cost was underestimated: the bill of the chosen
    models is higher than the sum of their forecasts, although the forecasts are right on average.

    Of all models of the bank that was fitted, at its prices; the ratio of a part of its pool, or at
    other prices, is not known.
    """

    ratios: Curve
    """At alpha = 0, 0.1 … 1."""
    standard_errors: Curve
    n_anchors: int
    """Anchors with all outcomes, each left out of its own forecast."""

    @property
    def shown(self) -> FloatArray:
        """The ratios that differ from 1 by `MIN_STANDARD_ERRORS`; 1 where they do not."""
        ratio_p, error_p = np.array(self.ratios), np.array(self.standard_errors)
        shown_p: FloatArray = np.where(
            np.abs(ratio_p - 1) > MIN_STANDARD_ERRORS * error_p, ratio_p, 1.0
        )
        return shown_p

    def at(self, alpha_n: FloatArray) -> FloatArray:
        """Return the shown ratio at each of some alphas, linear between the points."""
        ratio_n: FloatArray = np.interp(alpha_n, np.linspace(0, 1, N_POINTS), self.shown)
        return ratio_n

    def __str__(self) -> str:
        return describe_bill_ratios(self.shown.tolist()) or (
            f"The bills of the chosen models agree with the plan on {self.n_anchors:,} anchors."
        )


def describe_bill_ratios(ratios: Sequence[float]) -> str:
    """Return by how much plans exceed the sums of the forecasts; empty where they do not.

    Examples
    --------
    >>> describe_bill_ratios([1.046])
    'The plan includes +4.6 % that the anchors show on top of the forecasts.'
    >>> describe_bill_ratios([1.13, 1.0, 0.98])
    'The plan includes -2.0 % to +13.0 % that the anchors show on top of the forecasts.'
    >>> describe_bill_ratios([1.0])
    ''
    """
    if all(ratio == 1 for ratio in ratios):
        return ""
    ends = dict.fromkeys(f"{100 * (ratio - 1):+.1f} %" for ratio in (min(ratios), max(ratios)))
    return f"The plan includes {' to '.join(ends)} that the anchors show on top of the forecasts."
