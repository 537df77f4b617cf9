"""Weighted statistics of outcomes on retrieved anchors: Stage I of the SCOPE paper."""

import numpy as np

from scope.arrays import BoolArray, FloatArray

MIN_MEASURED = 20
"""Fewest measured anchors that stand for the others in the models' means."""


def weighted_means(weight_qk: FloatArray, outcome_qkm: FloatArray) -> FloatArray:
    """Average the outcomes of retrieved anchors.

    ``mean[q, m] = sum_k w[q, k] * outcome[q, k, m] / sum_k w[q, k]`` over the
    anchors where model ``m`` was measured.

    Parameters
    ----------
    weight_qk : ndarray of shape (n_questions, n_anchors)
        Weight of each retrieved anchor, >= 0.
    outcome_qkm : ndarray of shape (n_questions, n_anchors, n_models)
        Outcome of each model: correctness in [0, 1], USD or tokens. NaN
        where it was never run.

    Returns
    -------
    ndarray of shape (n_questions, n_models)
        Same unit as `outcome_qkm`. NaN where no anchor of positive weight was
        measured.

    Raises
    ------
    ValueError
        If the leading shapes disagree.

    References
    ----------
    .. [1] "Models Under SCOPE", arXiv:2601.22323, Stage I.

    Examples
    --------
    >>> weighted_means(np.array([[1.0, 0.25]]), np.array([[[1.0], [0.0]]]))
    array([[0.8]])
    """
    if outcome_qkm.shape[:2] != weight_qk.shape:
        raise ValueError(
            f"weight_qk {weight_qk.shape} and outcome_qkm {outcome_qkm.shape} "
            "must agree on (n_questions, n_anchors)"
        )
    measured_qkm = ~np.isnan(outcome_qkm)
    total_qm = np.einsum("qk,qkm->qm", weight_qk, measured_qkm)
    summed_qm = np.einsum("qk,qkm->qm", weight_qk, np.where(measured_qkm, outcome_qkm, 0.0))
    mean_qm: FloatArray = np.full_like(total_qm, np.nan)
    np.divide(summed_qm, total_qm, out=mean_qm, where=total_qm > 0)
    return mean_qm


def similarity_weights(similarity_qk: FloatArray, power: float) -> FloatArray:
    """Return ``max(similarity, 0) ** power``: dissimilar anchors have weight 0.

    The published code raises the signed cosine to an even power, so that an
    anchor at -0.9 has the weight of one at +0.9.
    """
    positive = similarity_qk > 0
    weight_qk: FloatArray = np.where(positive, np.where(positive, similarity_qk, 1.0) ** power, 0.0)
    return weight_qk


def effective_sample_size(weight_qk: FloatArray, outcome_qkm: FloatArray) -> FloatArray:
    """Return the effective number of anchors.

    ``n[q, m] = (sum_k w)^2 / sum_k w^2`` over the anchors where ``m`` was measured
    (Kish's effective sample size).

    Returns
    -------
    ndarray of shape (n_questions, n_models)
        Between 1 and the number of anchors; 0 without evidence.

    Examples
    --------
    >>> effective_sample_size(np.array([[1.0, 1.0, 0.0]]), np.ones((1, 3, 1)))
    array([[2.]])
    """
    measured_qkm = ~np.isnan(outcome_qkm)
    total_qm = np.einsum("qk,qkm->qm", weight_qk, measured_qkm)
    squared_qm = np.einsum("qk,qkm->qm", weight_qk**2, measured_qkm)
    effective_qm: FloatArray = np.zeros_like(total_qm)
    # Weights below 1e-154 are 0 when squared: such anchors do not count.
    np.divide(total_qm**2, squared_qm, out=effective_qm, where=squared_qm > 0)
    return effective_qm


def weighted_quantiles(
    weight_qk: FloatArray, outcome_qkm: FloatArray, levels: tuple[float, ...]
) -> FloatArray:
    """Return quantiles of the outcomes of retrieved anchors.

    The quantile at level ``l`` is the smallest outcome that, with all smaller
    ones, holds a share ``l`` of the weight of the measured anchors.

    Parameters
    ----------
    weight_qk, outcome_qkm : ndarray
        As for `weighted_means`.
    levels : tuple of float
        Within (0, 1].

    Returns
    -------
    ndarray of shape (n_levels, n_questions, n_models)
        NaN without evidence.

    Examples
    --------
    >>> weighted_quantiles(np.ones((1, 4)), np.array([[[4.0], [1.0], [3.0], [2.0]]]), (0.5,))
    array([[[2.]]])
    """
    n_questions, n_anchors, n_models = outcome_qkm.shape
    quantiles = np.full((len(levels), n_questions, n_models), np.nan)
    if not n_anchors:
        return quantiles
    weight_qkm = weight_qk[:, :, None] * ~np.isnan(outcome_qkm)
    order_qkm = np.argsort(outcome_qkm, axis=1)  # NaN, of weight 0, comes last
    sorted_qkm = np.take_along_axis(outcome_qkm, order_qkm, axis=1)
    share_qkm = np.cumsum(np.take_along_axis(weight_qkm, order_qkm, axis=1), axis=1)
    total_qm = share_qkm[:, -1, :]
    for level, row in zip(levels, quantiles, strict=True):
        # Rounding of the sum must not move the threshold past the last anchor.
        threshold_qm = level * total_qm * (1 - 1e-12)
        first_qm = np.argmax(share_qkm >= threshold_qm[:, None, :], axis=1)
        found_qm = np.take_along_axis(sorted_qkm, first_qm[:, None, :], axis=1)[:, 0, :]
        row[:] = np.where(total_qm > 0, found_qm, np.nan)
    return quantiles


def measured_anchors(outcome_am: FloatArray) -> BoolArray:
    """Tell which anchors have outcomes of more than half of the models.

    The others may come from feedback: such an anchor tells of the model that was chosen for it,
    because it was likely to be right. Where fewer than `MIN_MEASURED` have most outcomes, all
    anchors count.

    Parameters
    ----------
    outcome_am : ndarray of shape (n_anchors, n_models)
        NaN where never run; models without an outcome do not count.

    Returns
    -------
    ndarray of shape (n_anchors,)

    Examples
    --------
    >>> y = np.vstack([np.ones((20, 3)), [[1.0, np.nan, np.nan]]])
    >>> measured_anchors(y)[-2:].tolist()
    [True, False]
    """
    known_am = ~np.isnan(outcome_am)
    n_models = known_am.any(axis=0).sum()
    measured_a: BoolArray = 2 * known_am.sum(axis=1) > n_models
    return measured_a if measured_a.sum() >= MIN_MEASURED else np.ones_like(measured_a)


def model_means(outcome_am: FloatArray, prior_strength: float) -> FloatArray:
    """Return each model's mean over the measured anchors, shrunk toward that of all models.

    The mean of a model without an outcome on a measured anchor is that over all anchors.

    Parameters
    ----------
    outcome_am : ndarray of shape (n_anchors, n_models)
        NaN where never run.
    prior_strength : float
        Weight of the common mean, in anchors.

    Returns
    -------
    ndarray of shape (n_models,)
        NaN for a model without a single outcome.

    Examples
    --------
    >>> model_means(np.array([[1.0, np.nan], [0.0, np.nan]]), 10.0)
    array([0.5, nan])
    """
    known_am = ~np.isnan(outcome_am)
    measured_am = known_am & measured_anchors(outcome_am)[:, None]
    measured_am = np.where(measured_am.any(axis=0), measured_am, known_am)
    n_m = measured_am.sum(axis=0)
    total_m = np.where(measured_am, outcome_am, 0.0).sum(axis=0)
    mean_m = np.full(len(n_m), np.nan)
    if n_m.any():
        # Each model has the weight in the common mean that its own mean would get.
        weight_m = 1 / (n_m + prior_strength)
        common = (total_m * weight_m).sum() / (n_m * weight_m).sum()
        shrunk_m = (total_m + prior_strength * common) / (n_m + prior_strength)
        mean_m = np.where(n_m > 0, shrunk_m, np.nan)
    return mean_m


def model_quantiles(outcome_am: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Return quantiles of each model's outcomes over the bank, shape (n_levels, n_models).

    NaN for a model without a single outcome.
    """
    equal_qk = np.ones((1, len(outcome_am)))
    return weighted_quantiles(equal_qk, outcome_am[None], levels)[:, 0, :]
