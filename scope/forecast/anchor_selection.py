"""Which anchors to ask a new model: the most telling first."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.forecast.transfer import TransferModel

Z_90 = 1.645
"""Standard deviations in half the 90 % interval of a normal distribution."""


@dataclass(frozen=True, slots=True)
class AnchorSelection:
    """Anchors to measure, the most telling first.

    Attributes
    ----------
    anchor_j : ndarray of shape (n_chosen,)
        Positions, none twice.
    half_width_j : ndarray of shape (n_chosen,)
        Of the 90 % interval of a forecast after each, root mean square over questions.
    """

    anchor_j: IntArray
    half_width_j: FloatArray


def select_anchors(
    kinship: TransferModel,
    price_n: FloatArray,
    n_anchors: tuple[int, int],
    budget: float,
    narrow: float,
) -> AnchorSelection:
    """Choose anchors to measure, greedily by what each is expected to tell.

    What an anchor tells is by how much its outcome lowers the variance of the
    forecast of a question, on average over questions like the anchors [1]_. That does
    not depend on what the outcome will be. Under a budget it counts per USD.

    Parameters
    ----------
    kinship : TransferModel
    price_n : ndarray of shape (n_anchors,)
        USD; NaN for an anchor that may not be asked.
    n_anchors : tuple of int
        The fewest, which `narrow` alone does not undercut, and the most.
    budget : float
        USD for all together; infinite for none.
    narrow : float
        Half-width of the 90 % interval at which no more are needed.

    References
    ----------
    .. [1] Cohn, Ghahramani and Jordan, Active Learning with Statistical Models,
       Journal of Artificial Intelligence Research 4 (1996), section 2.
    """
    fewest, most = n_anchors
    doubt, left = _PosteriorCovariance.prior(kinship), budget
    open_n, chosen, widths = ~np.isnan(price_n), list[int](), list[float]()
    while len(chosen) < most and (len(chosen) < fewest or doubt.half_width > narrow):
        open_n[open_n] = price_n[open_n] <= left
        if not open_n.any():
            break
        gain_n = doubt.variance_reduction()
        if np.isfinite(budget):
            gain_n = gain_n / np.maximum(price_n, 1e-12)
        best = int(np.argmax(np.where(open_n, gain_n, -1.0)))
        open_n[best], left = False, left - price_n[best]
        doubt = doubt.updated(best)
        chosen.append(best)
        widths.append(doubt.half_width)
    return AnchorSelection(np.array(chosen, dtype=np.int64), np.array(widths))


@dataclass(frozen=True, slots=True)
class _PosteriorCovariance:
    """What is not yet known of a new model's coefficients.

    Attributes
    ----------
    covariance_xx : ndarray
    aim_xx : ndarray
        Second moments of a question's inputs: ``sum(covariance * aim)`` is the mean variance
        of a forecast.
    """

    kinship: TransferModel
    covariance_xx: FloatArray
    target_moment_xx: FloatArray

    @classmethod
    def prior(cls, kinship: TransferModel) -> "_PosteriorCovariance":
        foreknown_nx = kinship.predictive_design_nx
        aim_xx = foreknown_nx.T @ foreknown_nx / len(foreknown_nx)
        return cls(kinship, kinship.covariance_xx, aim_xx)

    @property
    def half_width(self) -> float:
        """Half the 90 % interval of the forecast of a question, root mean square."""
        variance = max(float((self.covariance_xx * self.target_moment_xx).sum()), 0.0)
        return float(Z_90 * np.sqrt(variance))

    def variance_reduction(self) -> FloatArray:
        """Return by how much each anchor would lower the mean variance, (n_anchors,)."""
        reach_nx = self.kinship.design_nx @ self.covariance_xx
        variance_n = (reach_nx * self.kinship.design_nx).sum(axis=1) + self.kinship.noise
        gain_n: FloatArray = ((reach_nx @ self.target_moment_xx) * reach_nx).sum(
            axis=1
        ) / variance_n
        return gain_n

    def updated(self, anchor: int) -> "_PosteriorCovariance":
        """Return what is left when an anchor has been asked."""
        design_x = self.kinship.design_nx[anchor]
        reach_x = self.covariance_xx @ design_x
        told_xx = np.outer(reach_x, reach_x) / (reach_x @ design_x + self.kinship.noise)
        return _PosteriorCovariance(
            self.kinship, self.covariance_xx - told_xx, self.target_moment_xx
        )
