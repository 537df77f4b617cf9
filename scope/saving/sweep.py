"""Cost saved and quality lost along a sweep, against always one reference model."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.evaluation import N_SETTINGS, Oracle, ResampledOutcomes, mixture_curve, safe_ratio
from scope.policy import MinQuality

MIN_GAP = 1e-9
"""Two qualities closer than this leave no gap to recover."""


@dataclass(frozen=True, slots=True)
class ReferenceSweep:
    """What the settings of a sweep save and lose, by resample; the first is always the reference.

    Attributes
    ----------
    saving_rg : ndarray of shape (n_resamples, n_settings)
        Share of the reference's cost that is saved.
    away_rg : ndarray of shape (n_resamples, n_settings)
        Share of the questions that another arm answers.
    quality_rg : ndarray of shape (n_resamples, n_settings)
        Mean quality of the chosen answers.
    """

    saving_rg: FloatArray
    away_rg: FloatArray
    quality_rg: FloatArray

    def quality_at_saving(self, saving: float) -> FloatArray:
        """Return the quality where this share of the cost is saved, (n_resamples,)."""
        return interpolate(self.saving_rg, self.quality_rg, saving)

    def quality_at_share(self, share: float) -> FloatArray:
        """Return the quality where other arms answer this share of the questions."""
        return interpolate(self.away_rg, self.quality_rg, share)


@dataclass(frozen=True, slots=True)
class ReferenceScale:
    """Outcomes of all arms, seen from one of them.

    Attributes
    ----------
    outcomes : ResampledOutcomes
    reference : int
        Column of the reference.
    """

    outcomes: ResampledOutcomes
    reference: int

    @property
    def smallest(self) -> int:
        """Column of the arm with the lowest mean cost."""
        return int(self.outcomes.mean_usd_rm[0].argmin())

    @property
    def reference_usd_r(self) -> FloatArray:
        """Mean cost of always the reference, by resample."""
        usd_r: FloatArray = self.outcomes.mean_usd_rm[:, self.reference]
        return usd_r

    @property
    def reference_quality_r(self) -> FloatArray:
        """Mean quality of always the reference, by resample."""
        quality_r: FloatArray = self.outcomes.accuracy_rm[:, self.reference]
        return quality_r

    def saving(self, usd_r: FloatArray) -> FloatArray:
        """Return ``1 - cost / cost of the reference``."""
        return _relative_loss(usd_r, self.reference_usd_r)

    def drop(self, quality_r: FloatArray) -> FloatArray:
        """Return ``1 - quality / quality of the reference``; negative is better than it."""
        return _relative_loss(quality_r, self.reference_quality_r)

    def gap_recovered(self, quality_r: FloatArray) -> FloatArray:
        """Return the share of the way from always the smallest arm to always the reference.

        NaN where the smallest arm is as good as the reference.
        """
        small_r = self.outcomes.accuracy_rm[:, self.smallest]
        gap_r = self.reference_quality_r - small_r
        return safe_ratio(quality_r - small_r, np.where(gap_r > MIN_GAP, gap_r, 0.0))

    def sweep(self, model_qg: IntArray) -> ReferenceSweep:
        """Score choices on the realised outcomes, always the reference put before them.

        Parameters
        ----------
        model_qg : ndarray of shape (n_questions, n_settings)
            Column of the chosen arm, from the most expensive settings to the cheapest.
        """
        first_q1 = np.full((len(model_qg), 1), self.reference)
        model_qg = np.hstack([first_q1, model_qg])
        weight_rq = self.outcomes.weight_rq
        cost_usd_rg, quality_rg = (
            weight_rq @ np.take_along_axis(values_qm, model_qg, axis=1)
            for values_qm in (self.outcomes.cost_usd_qm, self.outcomes.correct_qm)
        )
        away_rg = weight_rq @ (model_qg != self.reference).astype(np.float64)
        whole_rg = np.broadcast_to(self.reference_usd_r[:, None], cost_usd_rg.shape)
        return ReferenceSweep(_relative_loss(cost_usd_rg, whole_rg), away_rg, quality_rg)

    def random_mix(self) -> ReferenceSweep:
        """Return the sweep of random mixtures of the smallest arm and the reference."""
        return self.sweep(np.full((len(self.outcomes.cost_usd_qm), 1), self.smallest))

    def hull_quality_at_saving(self, saving: float) -> FloatArray:
        """Return the quality of the best random mixture of arms that saves this share."""
        return self.hull_quality((1 - saving) * self.reference_usd_r)

    def hull_quality(self, usd_r: FloatArray) -> FloatArray:
        """Return the quality of the best random mixture of arms at a mean cost, by resample.

        NaN below the cost of the smallest arm.
        """
        usd_rm, quality_rm = self.outcomes.mean_usd_rm, self.outcomes.accuracy_rm
        quality_r: FloatArray = mixture_curve(usd_rm, quality_rm, usd_r[:, None]).accuracy_rb[:, 0]
        return quality_r

    def oracle_quality_at_saving(self, saving: float) -> FloatArray:
        """Return an upper bound on the quality of any choices that save this share."""
        budget_usd_rb = (1 - saving) * self.reference_usd_r[:, None]
        feasible_rb = budget_usd_rb >= (
            self.outcomes.weight_rq @ self.outcomes.cost_usd_qm.min(axis=1, keepdims=True)
        )
        bound_rb = Oracle().evaluate_at(self.outcomes, budget_usd_rb).accuracy_rb
        quality_r: FloatArray = np.where(feasible_rb, bound_rb, np.nan)[:, 0]
        return quality_r

    def oracle_quality_at_share(self, share: float) -> FloatArray:
        """Return the quality of two arms where the other one answers the best share for it."""
        other = 1 - self.reference
        gain_q = self.outcomes.correct_qm[:, other] - self.outcomes.correct_qm[:, self.reference]
        match_qm = np.ones_like(self.outcomes.correct_qm)
        match_qm[:, other] = (1 + gain_q) / 2
        # The reference is the more expensive one at any price: only the share is limited.
        cost_qm = np.zeros_like(match_qm)
        cost_qm[:, self.reference] = 1.0
        choices_qg = threshold_choices(match_qm, cost_qm, self.reference)
        return self.sweep(choices_qg).quality_at_share(share)


def _relative_loss(part_r: FloatArray, whole_r: FloatArray) -> FloatArray:
    """Return ``1 - part / whole``, without the rounding of sums; NaN where `whole` is 0."""
    loss_r: FloatArray = (1 - safe_ratio(part_r, whole_r)).round(12) + 0.0
    return loss_r


def interpolate(x_rg: FloatArray, y_rg: FloatArray, at: float) -> FloatArray:
    """Return y where a sweep first reaches x = `at`, between two settings on the line between them.

    The settings keep their order: x starts below `at` and need not rise at every step.

    Returns
    -------
    ndarray of shape (n_resamples,)
        NaN where x never reaches `at`.

    Examples
    --------
    >>> interpolate(np.array([[0.0, 0.2, 0.6]]), np.array([[0.0, 0.1, 0.5]]), 0.4)
    array([0.3])
    """
    reached_rg = x_rg >= at
    after_r = reached_rg.argmax(axis=1)
    before_r = np.maximum(after_r - 1, 0)
    rows = np.arange(len(x_rg))
    step_r = x_rg[rows, after_r] - x_rg[rows, before_r]
    share_r = np.zeros(len(x_rg))
    np.divide(at - x_rg[rows, before_r], step_r, out=share_r, where=step_r > 0)
    y_r = y_rg[rows, before_r] + share_r * (y_rg[rows, after_r] - y_rg[rows, before_r])
    return np.where(reached_rg.any(axis=1), y_r, np.nan)


def threshold_choices(p_match_qm: FloatArray, cost_usd_qm: FloatArray, reference: int) -> IntArray:
    """Choose the cheapest arm with ``p >= tau``, else the reference, for falling tau.

    Parameters
    ----------
    p_match_qm : ndarray of shape (n_questions, n_arms)
        Probability that an arm is at least as good as the reference, in [0, 1]; that of the
        reference is taken as 1. NaN is never chosen.
    cost_usd_qm : ndarray of shape (n_questions, n_arms)
        Predicted costs.
    reference : int
        Column of the reference.

    Returns
    -------
    ndarray of int, shape (n_questions, n_thresholds)
        At every quantile of the probabilities, `N_SETTINGS` of them at most; the last tau is 0.
    """
    p_qm = p_match_qm.copy()
    p_qm[:, reference] = 1.0
    others = np.delete(p_qm, reference, axis=1)
    known_n = others[~np.isnan(others)]
    tau_t = np.array([0.0])
    if known_n.size:
        levels = np.linspace(0, 1, N_SETTINGS)
        tau_t = np.unique([0.0, *np.quantile(known_n, levels, method="nearest")])
    # The reference answers where no arm qualifies, also if its cost is unknown.
    cost_qm = cost_usd_qm.copy()
    cost_qm[:, reference] = np.nan_to_num(cost_qm[:, reference], nan=np.inf)
    return np.stack(
        [MinQuality(tau).choose(p_qm, cost_qm).model_q for tau in tau_t[::-1].tolist()], axis=1
    )
