"""One dial from cheapest to most accurate, in equal steps of the bill."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.errors import ConfigError
from scope.policy.hull import HullIncrements, Hulls

N_ALPHAS = 101
"""Stops of the dial: alpha = 0, 0.01 … 1."""

MIN_COST_SHARE = 1e-3
"""Where the cheapest models cost nothing, the dial starts at this share of the dearest bill."""


@dataclass(frozen=True, slots=True)
class AlphaScale:
    """The trade-off ``lambda`` that belongs to every ``alpha``.

    ``lambda(alpha)`` is the smallest whose mean predicted cost over a population
    of questions is at most ``c_cheapest^(1 - alpha) * c_accurate^alpha``: equal
    steps of alpha multiply the bill by equal factors. (A linear map would squeeze
    the whole trade-off into alpha > .9, since prices differ a hundredfold.)

    Attributes
    ----------
    trade_off_a : ndarray of shape (N_STOPS,)
        Lambda at alpha = 0, 0.01 … 1, falling from inf to 0.
    """

    trade_off_a: FloatArray

    @classmethod
    def fit(cls, p_correct_qm: FloatArray, cost_usd_qm: FloatArray) -> "AlphaScale":
        """Fit the dial of a pool on predictions for a population of questions.

        Parameters
        ----------
        p_correct_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
            Columns are the models of the pool.
        """
        steps = HullIncrements.from_hulls(Hulls.from_estimates(p_correct_qm, cost_usd_qm))
        climb = steps.sort_by_slope(np.arange(len(p_correct_qm)))
        if not climb.slope_n.size:
            # Nobody ever has to choose, so that every lambda gives the same bill.
            return cls(np.array([np.inf, *np.ones(N_ALPHAS - 2), 0.0]))
        dearest_usd = climb.cumulative_cost_usd_n[-1]
        cheapest_usd = climb.cumulative_cost_usd_n[0] or MIN_COST_SHARE * dearest_usd
        alphas = np.linspace(0, 1, N_ALPHAS)[1:-1]
        targets_usd = cheapest_usd ** (1 - alphas) * dearest_usd**alphas
        last = len(climb.slope_n) - 1
        counts = [min(climb.n_affordable(target), last) for target in targets_usd]
        return cls(np.array([np.inf, *climb.slope_n[counts], 0.0]))

    def trade_off(self, alpha: float) -> float:
        """Return lambda at `alpha`, interpolated in log lambda between stops.

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
        stops = np.linspace(0, 1, N_ALPHAS)[1:-1]
        return float(np.exp(np.interp(alpha, stops, np.log(inner))))

    def alpha(self, trade_off: float) -> float:
        """Return the alpha whose trade-off is nearest to `trade_off`, interpolated in log lambda.

        The inverse of `trade_off`: 0 gives 1 and inf gives 0; what lies outside the inner stops
        gives the outermost of them.
        """
        if trade_off in (0.0, np.inf):
            return 1.0 if trade_off == 0 else 0.0
        inner = self.trade_off_a[1:-1]
        stops = np.linspace(0, 1, N_ALPHAS)[1:-1]
        # np.interp wants rising positions, and lambda falls with alpha.
        return float(np.interp(np.log(trade_off), np.log(inner)[::-1], stops[::-1]))
