"""The threshold of the published rule: cheapest arm with P >= tau, else the reference."""

from collections.abc import Sequence

import numpy as np

from scope.arrays import FloatArray
from scope.errors import ConfigError
from scope.learned.spec import DropThreshold
from scope.policy import MinQuality

TARGET_DROPS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Quality drops of the table that is stored with a router."""

N_STEPS = 200
"""Largest number of thresholds that are tried."""


def drop_thresholds(
    p_qm: FloatArray,
    cost_usd_qm: FloatArray,
    quality_qm: FloatArray,
    target_drops: Sequence[float] = TARGET_DROPS,
) -> tuple[DropThreshold, ...]:
    """Return, for each target drop, the threshold that saves most within it.

    The rule of HybridLLM 4.5 on validation prompts, with the cost that is saved in place of the
    share of prompts that leave the reference: with two arms of fixed prices both agree.

    Parameters
    ----------
    p_qm, cost_usd_qm : ndarray of shape (n_questions, n_arms)
        Predicted match probabilities and costs, the reference last.
    quality_qm : ndarray of shape (n_questions, n_arms)
        Measured quality; questions that lack it for an arm are not used.
    target_drops : sequence of float
        Shares of the reference's mean quality, at least 0.

    Raises
    ------
    ConfigError
        If no question has the quality of all arms, or the reference's mean quality is 0.
    """
    known_q = ~np.isnan(p_qm + cost_usd_qm + quality_qm).any(axis=1)
    if not known_q.any():
        raise ConfigError("no validation prompt has the quality of every arm and the reference")
    p_qm, cost_qm, quality_qm = p_qm[known_q], cost_usd_qm[known_q], quality_qm[known_q]
    reference = quality_qm[:, -1].mean()
    if reference == 0:
        raise ConfigError("the reference's mean quality on validation is 0; a drop has no scale")
    points = [
        _point(tau, p_qm, cost_qm, quality_qm, reference) for tau in _candidate_thresholds(p_qm)
    ]
    return tuple(_best(points, target) for target in target_drops)


def _candidate_thresholds(p_qm: FloatArray) -> FloatArray:
    """Return predicted probabilities in ascending order, and 1, which only the reference has."""
    distinct_t: FloatArray = np.unique(p_qm)
    if len(distinct_t) > N_STEPS:
        shares_t = np.linspace(0, 1, N_STEPS)
        distinct_t = np.asarray(np.quantile(p_qm[:, :-1], shares_t, method="higher"))
    return np.unique(np.append(distinct_t, 1.0))


def _point(
    tau: float,
    p_qm: FloatArray,
    cost_qm: FloatArray,
    quality_qm: FloatArray,
    reference: float,
) -> DropThreshold:
    choices = MinQuality(min(float(tau), 1.0)).choose(p_qm, cost_qm)
    total = cost_qm[:, -1].sum()
    saving = 1 - choices.pick(cost_qm).sum() / total if total > 0 else 0.0
    return DropThreshold(
        target_drop=0.0,
        threshold=float(tau),
        drop=float((reference - choices.pick(quality_qm).mean()) / abs(reference)),
        saving=float(saving),
        routed_share=float((choices.model_q != p_qm.shape[1] - 1).mean()),
    )


def _best(points: Sequence[DropThreshold], target: float) -> DropThreshold:
    """Return the point with the largest saving within the drop; the highest tau among equals."""
    allowed = [point for point in points if point.drop <= target + 1e-12] or [points[-1]]
    best = max(allowed, key=lambda point: (point.saving, point.threshold))
    return best.model_copy(update={"target_drop": target})
