"""Select the anchors to measure a new model on, most informative first."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.forecast.transfer import TransferModel

Z_90 = 1.645
"""Standard deviations in half the 90 % interval of a normal distribution."""


@dataclass(frozen=True, slots=True)
class AnchorSelection:
    """Anchors to measure, most informative first.

    Attributes
    ----------
    anchor_j : ndarray of shape (n_selected,)
        Distinct indices.
    half_width_j : ndarray of shape (n_selected,)
        Half the 90 % interval of a forecast after each, root mean square over questions.
    """

    anchor_j: IntArray
    half_width_j: FloatArray


def select_anchors(
    transfer: TransferModel,
    cost_usd_n: FloatArray,
    n_anchors: tuple[int, int],
    budget_usd: float,
    half_width: float,
) -> AnchorSelection:
    """Select anchors greedily by the expected reduction of the forecast variance.

    The reduction is the mean over questions like the anchors [1]_; it does not depend on
    the outcome itself. With a budget, the reduction per USD counts.

    Parameters
    ----------
    transfer : TransferModel
    cost_usd_n : ndarray of shape (n_anchors,)
        NaN for an anchor that must not be selected.
    n_anchors : tuple of int
        Minimum and maximum; `half_width` alone does not go below the minimum.
    budget_usd : float
        Limit on the total cost; infinite for none.
    half_width : float
        Selection stops at this half-width of the 90 % interval.

    References
    ----------
    .. [1] Cohn, Ghahramani and Jordan, Active Learning with Statistical Models,
       Journal of Artificial Intelligence Research 4 (1996), section 2.
    """
    n_min, n_max = n_anchors
    posterior, left_usd = PosteriorCovariance.prior(transfer), budget_usd
    available_n, selected, widths = ~np.isnan(cost_usd_n), list[int](), list[float]()
    while len(selected) < n_max and (len(selected) < n_min or posterior.half_width > half_width):
        available_n[available_n] = cost_usd_n[available_n] <= left_usd
        if not available_n.any():
            break
        gain_n = posterior.variance_reduction()
        if np.isfinite(budget_usd):
            gain_n = gain_n / np.maximum(cost_usd_n, 1e-12)
        best = int(np.argmax(np.where(available_n, gain_n, -1.0)))
        available_n[best], left_usd = False, left_usd - cost_usd_n[best]
        posterior = posterior.updated(best)
        selected.append(best)
        widths.append(posterior.half_width)
    return AnchorSelection(np.array(selected, dtype=np.int64), np.array(widths))


@dataclass(frozen=True, slots=True)
class PosteriorCovariance:
    """Posterior covariance of a new model's coefficients.

    Attributes
    ----------
    transfer : TransferModel
    covariance_xx : ndarray
    target_moment_xx : ndarray
        Second moments of the design of a question: ``sum(covariance * target_moment)`` is the
        mean variance of a forecast.
    """

    transfer: TransferModel
    covariance_xx: FloatArray
    target_moment_xx: FloatArray

    @classmethod
    def prior(cls, transfer: TransferModel) -> "PosteriorCovariance":
        """Return the covariance before any anchor is measured."""
        design_nx = transfer.predictive_design_nx
        target_moment_xx = design_nx.T @ design_nx / len(design_nx)
        return cls(transfer, transfer.covariance_xx, target_moment_xx)

    @property
    def half_width(self) -> float:
        """Half the 90 % interval of the forecast of a question, root mean square."""
        variance = max(float((self.covariance_xx * self.target_moment_xx).sum()), 0.0)
        return float(Z_90 * np.sqrt(variance))

    def variance_reduction(self) -> FloatArray:
        """Return the reduction of the mean variance by each anchor, shape (n_anchors,)."""
        reach_nx = self.transfer.design_nx @ self.covariance_xx
        variance_n = (reach_nx * self.transfer.design_nx).sum(axis=1) + self.transfer.noise
        gain_n: FloatArray = ((reach_nx @ self.target_moment_xx) * reach_nx).sum(
            axis=1
        ) / variance_n
        return gain_n

    def updated(self, anchor: int) -> "PosteriorCovariance":
        """Return the covariance after an anchor is measured."""
        design_x = self.transfer.design_nx[anchor]
        reach_x = self.covariance_xx @ design_x
        reduction_xx = np.outer(reach_x, reach_x) / (reach_x @ design_x + self.transfer.noise)
        return PosteriorCovariance(
            self.transfer, self.covariance_xx - reduction_xx, self.target_moment_xx
        )
