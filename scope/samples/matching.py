"""How often a sample is at least as good as those of the reference."""

import numpy as np

from scope.arrays import FloatArray


def sample_matches(
    score_qmo: FloatArray, reference_qo: FloatArray, margin: float = 0.0
) -> FloatArray:
    """Return the share of the reference's samples that each sample matches.

    Returns
    -------
    ndarray of the shape of `score_qmo`
        ``mean_j 1[a >= b_j - margin]``; NaN where the sample or the reference has no score.
    """
    count_qmo = np.zeros(score_qmo.shape)
    for bound_q in (reference_qo - margin).T:
        count_qmo += score_qmo >= bound_q[:, None, None]  # False at NaN
    n_known_q = (~np.isnan(reference_qo)).sum(axis=1).astype(np.float64)
    n_known_q[n_known_q == 0] = np.nan
    share_qmo: FloatArray = count_qmo / n_known_q[:, None, None]
    share_qmo[np.isnan(score_qmo)] = np.nan
    return share_qmo


def mean_known(value_qmo: FloatArray) -> FloatArray:
    """Return the mean over the last axis of values that are not NaN; NaN without any."""
    known_qmo = ~np.isnan(value_qmo)
    n_qm = known_qmo.sum(axis=-1)
    total_qm = np.where(known_qmo, value_qmo, 0.0).sum(axis=-1)
    mean_qm: FloatArray = np.full(n_qm.shape, np.nan)
    np.divide(total_qm, n_qm, out=mean_qm, where=n_qm > 0)
    return mean_qm
