"""Multi-output Gaussian process over the outcomes of all models."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.forecast.kernel_eigen import NOISE_GRID, KernelEigen
from scope.forecast.neighbour_statistics import MIN_MEASURED, measured_anchors, model_means

N_IMPUTATIONS = 3
"""Rounds in which unknown outcomes are imputed."""

RIDGE = 1e-3
"""Added to the variances of the residuals, in mean variances, so that equal models can be told."""

PRIOR_STRENGTH = 10.0
"""Weight of the mean over all models in a model's mean, in anchors."""


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Outcomes of all models as one multi-output process.

    Most of the variance of outcomes is the difficulty of the question, common to all
    models; the differences between models are small and noisy. The process is therefore
    fitted in the principal directions of the outcomes' covariance. Each direction has its
    own noise, the one with the least leave-one-out error.

    Attributes
    ----------
    mean_m : ndarray of shape (n_models,)
        Mean over the anchors: the posterior far from all of them.
    noise_z : ndarray of shape (n_models,)
        Noise-to-signal ratio of each direction, in order of decreasing variance.
    weight_bm : ndarray of shape (n_inducing, n_models)
        Weight of each inducing point's similarity for each model.
    loo_am : ndarray of shape (n_anchors, n_models)
        Leave-one-out predictions.
    """

    mean_m: FloatArray
    noise_z: FloatArray
    weight_bm: FloatArray
    loo_am: FloatArray

    @classmethod
    def fit(cls, eigen: KernelEigen, outcome_am: FloatArray) -> "GaussianProcess":
        """Fit the outcomes of all anchors.

        Parameters
        ----------
        eigen : KernelEigen
        outcome_am : ndarray of shape (n_anchors, n_models)
            Any scale; NaN where a model was never run. Every model needs one outcome.

        Notes
        -----
        An unknown outcome is imputed by its expectation given all other anchors, which is its
        leave-one-out prediction, and given the outcomes of the other models on the same anchor:
        a question that one model failed is harder for all. Without the second part an anchor
        with one outcome of many models, as feedback adds, would say that the question is of
        mean difficulty. The directions, and the covariance of the models' residuals, are those
        of the measured anchors; of all anchors where those have hardly an outcome of some model.

        References
        ----------
        .. [1] Dempster, Laird and Rubin, Maximum Likelihood from Incomplete Data via the EM
           Algorithm, 1977.
        """
        known_am = ~np.isnan(outcome_am)
        mean_m = model_means(outcome_am, PRIOR_STRENGTH)
        centred_am = np.where(known_am, outcome_am - mean_m, 0.0)
        measured_a = _covariance_anchors(outcome_am)
        if known_am.all():
            return cls._fit_complete(eigen, mean_m, centred_am, measured_a)
        predicted_am = np.zeros_like(centred_am)
        for _ in range(N_IMPUTATIONS + 1):
            centred_am = _impute(centred_am, predicted_am, known_am, measured_a)
            fitted = cls._fit_complete(eigen, mean_m, centred_am, measured_a)
            predicted_am = fitted.loo_am - mean_m
        return fitted

    @classmethod
    def _fit_complete(
        cls,
        eigen: KernelEigen,
        mean_m: FloatArray,
        centred_am: FloatArray,
        measured_a: BoolArray,
    ) -> "GaussianProcess":
        """Fit outcomes without NaN; the directions are those of the measured anchors."""
        _, _, direction_zm = np.linalg.svd(np.atleast_2d(np.cov(centred_am[measured_a].T)))
        centred_az = (centred_am @ direction_zm.T).astype(np.float32)
        loo_gaz = eigen.loo_predictions(centred_az)
        best_z = np.square(loo_gaz - centred_az).sum(axis=1).argmin(axis=0)
        noise_z = np.array(NOISE_GRID)[best_z]
        weight_bz = eigen.weights(centred_az, noise_z)
        loo_az = np.take_along_axis(loo_gaz, best_z[None, None], axis=0)[0]
        return cls(
            mean_m,
            noise_z,
            weight_bz.astype(np.float64) @ direction_zm,
            mean_m + loo_az @ direction_zm,
        )


def _covariance_anchors(outcome_am: FloatArray) -> BoolArray:
    """Return the measured anchors; all where they have too few outcomes of some model.

    Two sets of models, each measured on questions of its own, are such a bank. On the measured
    anchors one set would have little but imputed outcomes, whose residuals have hardly any
    variance: the next imputation would divide by it.
    """
    known_am, measured_a = ~np.isnan(outcome_am), measured_anchors(outcome_am)
    enough_m = known_am[measured_a].sum(axis=0) >= np.minimum(known_am.sum(axis=0), MIN_MEASURED)
    return measured_a if enough_m.all() else np.ones_like(measured_a)


def _impute(
    centred_am: FloatArray, predicted_am: FloatArray, known_am: BoolArray, measured_a: BoolArray
) -> FloatArray:
    """Return the outcomes with the unknown ones replaced by their conditional expectations.

    Anchors with the same known models share one regression of the unknown residuals on the
    known ones.
    """
    residual_am = centred_am - predicted_am
    covariance_mm = residual_am[measured_a].T @ residual_am[measured_a] / measured_a.sum()
    # Where all outcomes are equal there is no variance to take a share of.
    ridge = max(RIDGE * np.diag(covariance_mm).mean(), 1e-12)
    covariance_mm += ridge * np.eye(len(covariance_mm))
    imputed_am = centred_am.copy()
    patterns, pattern_a = np.unique(known_am, axis=0, return_inverse=True)
    for pattern, known_m in enumerate(patterns):
        rows = np.flatnonzero(pattern_a.ravel() == pattern)
        known, unknown = np.flatnonzero(known_m), np.flatnonzero(~known_m)
        slope = np.linalg.solve(
            covariance_mm[np.ix_(known, known)], covariance_mm[np.ix_(known, unknown)]
        )
        imputed_am[np.ix_(rows, unknown)] = (
            predicted_am[np.ix_(rows, unknown)] + residual_am[np.ix_(rows, known)] @ slope
        )
    return imputed_am
