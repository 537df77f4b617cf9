"""What the length of one model's reply says of the correctness of every model."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from scope.arrays import FloatArray
from scope.predictions import MIN_P

N_FEATURES = 2
"""A constant and the surprise; its square fits the anchors, not other questions."""
MAX_SURPRISE = 3.0
"""Standard deviations; a longer tail says no more, as few anchors are there."""
PRIOR_PRECISION = 1.0
"""Of every coefficient about 0, where the forecast stays as it is."""
N_NEWTON = 8
N_QUANTILES = 7
"""Surprises by which the value of asking is averaged before the reply is known."""


@dataclass(frozen=True, slots=True)
class ReplyLengths:
    """How the length of each model's reply changes the forecasts of all models.

    The surprise of a reply is the log of its completion tokens over the predicted ones, in
    standard deviations of that model. ``logit p' = logit p + b0 + b1 s``, fitted for
    every pair of a model that has replied and a model whose answer is in question.

    Attributes
    ----------
    mean_m, deviation_m : ndarray of shape (n_models,)
        Of the log ratio of each model on the anchors.
    weight_mmf : ndarray of shape (n_models, n_models, n_features)
        By the model that replied, then the one in question.
    quantile_mk : ndarray of shape (n_models, n_quantiles)
        Surprises of each model that are equally likely.
    """

    mean_m: FloatArray
    deviation_m: FloatArray
    weight_mmf: FloatArray
    quantile_mk: FloatArray

    @classmethod
    def fit(
        cls,
        p_nm: FloatArray,
        correct_nm: FloatArray,
        tokens_nm: FloatArray,
        predicted_nm: FloatArray,
    ) -> "ReplyLengths":
        """Fit on anchors, each of them forecast without itself.

        Parameters
        ----------
        p_nm, correct_nm : ndarray of shape (n_anchors, n_models)
            Forecast and outcome.
        tokens_nm, predicted_nm : ndarray of shape (n_anchors, n_models)
            Completion tokens, recorded and predicted.

        NaN is left out.
        """
        ratio_nm = _log_ratio(tokens_nm, predicted_nm)
        mean_m, deviation_m = np.nanmean(ratio_nm, axis=0), np.nanstd(ratio_nm, axis=0)
        deviation_m = np.where(deviation_m > 0, deviation_m, 1.0)
        surprise_nm = _clipped(ratio_nm, mean_m, deviation_m)
        middles = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
        return cls(
            mean_m,
            deviation_m,
            np.stack([_fit_offsets(p_nm, correct_nm, surprise_n) for surprise_n in surprise_nm.T]),
            np.nanquantile(surprise_nm, middles, axis=0).T,
        )

    def surprise(self, tokens_qm: FloatArray, predicted_qm: FloatArray) -> FloatArray:
        """Return how much longer than predicted each reply is, in standard deviations."""
        return _clipped(_log_ratio(tokens_qm, predicted_qm), self.mean_m, self.deviation_m)

    def update(self, p_qm: FloatArray, replied: int, surprise_q: FloatArray) -> FloatArray:
        """Return the forecasts of all models once `replied` has; as before where NaN."""
        shift_qm = _features(surprise_q) @ self.weight_mmf[replied].T
        updated_qm: FloatArray = expit(logit(p_qm.clip(MIN_P, 1 - MIN_P)) + shift_qm)
        return updated_qm


def _log_ratio(tokens_qm: FloatArray, predicted_qm: FloatArray) -> FloatArray:
    # A reply of no token has a length of one: its log is finite.
    ratio_qm: FloatArray = np.log(np.maximum(tokens_qm, 1) / np.maximum(predicted_qm, 1))
    return ratio_qm


def _clipped(ratio_qm: FloatArray, mean_m: FloatArray, deviation_m: FloatArray) -> FloatArray:
    return ((ratio_qm - mean_m) / deviation_m).clip(-MAX_SURPRISE, MAX_SURPRISE)


def _features(surprise_n: FloatArray) -> FloatArray:
    """Return the features of each surprise; zeros where it is unknown."""
    known_n = ~np.isnan(surprise_n)
    plain_n = np.where(known_n, surprise_n, 0.0)
    return np.stack([known_n.astype(np.float64), plain_n], axis=1)


def _fit_offsets(p_nm: FloatArray, correct_nm: FloatArray, surprise_n: FloatArray) -> FloatArray:
    """Fit one logistic regression for each model, its forecast as the offset, by Newton steps."""
    feature_nf = _features(surprise_n)
    known_nm = ~np.isnan(p_nm + correct_nm) & ~np.isnan(surprise_n)[:, None]
    offset_nm = logit(np.where(known_nm, p_nm, 0.5).clip(MIN_P, 1 - MIN_P))
    outcome_nm = np.where(known_nm, correct_nm, 0.0)
    weight_mf = np.zeros((p_nm.shape[1], N_FEATURES))
    for _ in range(N_NEWTON):
        fitted_nm = expit(offset_nm + feature_nf @ weight_mf.T)
        slope_mf = (known_nm * (outcome_nm - fitted_nm)).T @ feature_nf
        curvature_nm = known_nm * fitted_nm * (1 - fitted_nm)
        hessian_mff = np.einsum(
            "nm,nf,ng->mfg", curvature_nm, feature_nf, feature_nf, optimize=True
        )
        step_mf = np.linalg.solve(
            hessian_mff + PRIOR_PRECISION * np.eye(N_FEATURES),
            (slope_mf - PRIOR_PRECISION * weight_mf)[:, :, None],
        )
        weight_mf = weight_mf + step_mf[:, :, 0]
    return weight_mf
