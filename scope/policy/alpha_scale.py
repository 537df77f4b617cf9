"""The alpha scale: from cheapest to most accurate, in equal ratios of cost."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.errors import ConfigError
from scope.policy.bill_ratio import BillRatio
from scope.policy.hull import HullIncrements, Hulls

N_ALPHAS = 101
"""Points of the scale: alpha = 0, 0.01 … 1."""

MIN_COST_SHARE = 1e-3
"""Where the cheapest models are free, the scale starts at this share of the highest cost."""


@dataclass(frozen=True, slots=True)
class AlphaScale:
    """The map from ``alpha`` to the trade-off ``lambda``.

    ``lambda(alpha)`` is the smallest whose mean predicted cost over a population
    of questions is at most ``c_cheapest^(1 - alpha) * c_accurate^alpha``: equal
    steps of alpha multiply the cost by equal factors. (Prices differ a hundredfold:
    a linear map would put the whole trade-off into alpha > .9.)

    Attributes
    ----------
    trade_off_a : ndarray of shape (N_ALPHAS,)
        Lambda at alpha = 0, 0.01 … 1, falling from inf to 0.
    bill_ratio : BillRatio or None
        Real over planned bill along the scale; None where it is not known.
    """

    trade_off_a: FloatArray
    bill_ratio: BillRatio | None = None

    @classmethod
    def fit(cls, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> "AlphaScale":
        """Fit the scale of a pool on predictions for a population of questions.

        Parameters
        ----------
        p_correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
            Columns are the models of the pool.
        """
        steps = HullIncrements.from_hulls(Hulls.from_estimates(p_correct_qm, cost_usd_qm))
        order = steps.sort_by_slope(np.arange(len(p_correct_qm)))
        if not order.slope_n.size:
            # No question has a choice: every lambda gives the same cost.
            return cls(np.array([np.inf, *np.ones(N_ALPHAS - 2), 0.0]))
        highest_usd = order.cumulative_cost_usd_n[-1]
        lowest_usd = order.cumulative_cost_usd_n[0] or MIN_COST_SHARE * highest_usd
        alphas = np.linspace(0, 1, N_ALPHAS)[1:-1]
        targets_usd = lowest_usd ** (1 - alphas) * highest_usd**alphas
        last = len(order.slope_n) - 1
        counts = [min(order.n_affordable(target), last) for target in targets_usd]
        return cls(np.array([np.inf, *order.slope_n[counts], 0.0]))

    def trade_off(self, alpha: float) -> float:
        """Return lambda at `alpha`, interpolated in log lambda between the points.

        Raises
        ------
        ConfigError
            If `alpha` is outside [0, 1].
        """
        if not 0 <= alpha <= 1:
            raise ConfigError(f"alpha is {alpha}; expected a number within 0..1")
        if alpha in (0.0, 1.0):
            return float("inf") if alpha == 0 else 0.0
        inner = self.trade_off_a[1:-1]
        points = np.linspace(0, 1, N_ALPHAS)[1:-1]
        return float(np.exp(np.interp(alpha, points, np.log(inner))))

    def alpha(self, trade_off: float) -> float:
        """Return the alpha whose trade-off is nearest to `trade_off`, interpolated in log lambda.

        The inverse of `trade_off`: 0 gives 1 and inf gives 0; a value outside the inner points
        gives the outermost of them.
        """
        return float(self._alphas(np.array([trade_off]))[0])

    def bill_ratio_at(self, alpha: float) -> float:
        """Return what the sum of the forecasts is multiplied by in a plan at `alpha`."""
        return 1.0 if self.bill_ratio is None else float(self.bill_ratio.at(np.array([alpha]))[0])

    def bill_ratios(self, trade_off_n: FloatArray) -> FloatArray:
        """Return what the sum of the forecasts is multiplied by in a plan at each trade-off."""
        if self.bill_ratio is None:
            return np.ones(len(trade_off_n))
        return self.bill_ratio.at(self._alphas(trade_off_n))

    def _alphas(self, trade_off_n: FloatArray) -> FloatArray:
        inner = self.trade_off_a[1:-1]
        points = np.linspace(0, 1, N_ALPHAS)[1:-1]
        with np.errstate(divide="ignore"):  # the log of 0, which is the end of the scale
            log_n = np.log(trade_off_n)
        # np.interp wants rising positions, and lambda falls with alpha.
        alpha_n = np.interp(log_n, np.log(inner)[::-1], points[::-1])
        return np.where(np.isinf(log_n), np.where(log_n < 0, 1.0, 0.0), alpha_n)
