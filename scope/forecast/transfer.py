"""Transfer from known models: predict a new model from a few of its outcomes."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray

N_FACTORS = 4
"""Maximum number of latent factors; chosen, like the next, by leaving out one family of known
models at a time (docs/quality.md)."""

MIN_MODELS_PER_FACTOR = 3
"""Known models needed for each factor. With four models, a new model measured on 10 anchors has a
squared error of .228 on MMLU-Pro with four factors, and of .218 with one."""

COVARIANCE_SHRINKAGE = 0.5
"""Factor on the covariances between the known models' coefficients."""

INTERCEPT_VARIANCE_INFLATION = 2.5
"""Factor on the prior variance of a new model's level."""

MIN_VARIANCE = 1e-5
"""Added to every variance of the prior; also the minimum noise, for identical models."""

MIN_STD = 0.003
"""Directions with a smaller standard deviation are ignored: a bank stores log tokens with a
rounding error of up to .002, which would become a factor of noise at unit scale."""


@dataclass(frozen=True, slots=True)
class ModelCombination:
    """A model as a linear combination of known ones: ``level + (known - mean) @ weight_m``.

    Attributes
    ----------
    level : float
        Its outcome where every known model is at its mean; same unit as the outcomes.
    weight_m : ndarray of shape (n_known,)
        Dimensionless; a copy of one known model has 1 there and 0 elsewhere.
    loo_n : ndarray of shape (n_anchors,)
        Prediction of each anchor, leave-one-out for measured ones. Not clipped: a
        probability may be outside [0, 1].
    """

    level: float
    weight_m: FloatArray
    loo_n: FloatArray


@dataclass(frozen=True, slots=True)
class TransferModel:
    """A linear model of one outcome of a new model, with the known models as prior.

    The outcome on an anchor is predicted from ``z``, the leading factors of the known
    models' leave-one-out predictions, and ``e``, the same factors of their residuals.
    On a new question the residuals are unknown and 0 on average; on the anchors they
    separate a difficult sample of questions from a weak model. The prior of the
    coefficients comes from each known model, fitted on the factors of the others.

    The outcome is any number that is roughly linear in those of other models: 1 for
    correct and 0 for wrong, or the log of a token count. There are `N_FACTORS` factors,
    fewer if there are few known models or they vary in fewer directions.

    Attributes
    ----------
    mean_m : ndarray of shape (n_known,)
        Mean of each model: its prediction far from all anchors.
    direction_mz : ndarray of shape (n_known, n_factors)
        ``z = (predicted - mean_m) @ direction_mz`` has unit variance over the anchors.
    design_nx : ndarray of shape (n_anchors, 1 + 2 n_factors)
        ``1, z, e``.
    prior_x : ndarray of shape (1 + 2 n_factors,)
        Prior mean of the coefficients.
    covariance_xx : ndarray of shape (1 + 2 n_factors, 1 + 2 n_factors)
        Prior covariance of the coefficients.
    noise : float
        Variance of an outcome given the coefficients.
    """

    mean_m: FloatArray
    direction_mz: FloatArray
    design_nx: FloatArray
    prior_x: FloatArray
    covariance_xx: FloatArray
    noise: float

    @classmethod
    def fit_prior(
        cls, mean_m: FloatArray, predicted_nm: FloatArray, outcome_nm: FloatArray
    ) -> "TransferModel":
        """Fit the prior to the known models.

        Parameters
        ----------
        mean_m : ndarray of shape (n_known,)
            At least one model. A single one is its own prior.
        predicted_nm : ndarray of shape (n_anchors, n_known)
            Leave-one-out predictions.
        outcome_nm : ndarray of shape (n_anchors, n_known)
            NaN where unknown, which counts as residual 0. Every model needs one outcome.
        """
        centred_nm = predicted_nm - mean_m
        residual_nm = np.where(np.isnan(outcome_nm), 0.0, outcome_nm - predicted_nm)
        direction_mz = _directions(centred_nm)
        all_m = np.ones(len(mean_m), dtype=np.bool_)
        design_nx, spread_z = _design(centred_nm, residual_nm, direction_mz, all_m)
        fits = []
        for m in range(len(mean_m)):
            others = all_m.copy()
            others[m] = len(mean_m) == 1
            known_n = ~np.isnan(outcome_nm[:, m])
            inputs_nx, _ = _design(centred_nm, residual_nm, direction_mz, others)
            fits.append(_least_squares(inputs_nx[known_n], outcome_nm[known_n, m]))
        coefficient_mx = np.array([fit[0] for fit in fits])
        return cls(
            mean_m,
            direction_mz / spread_z,
            design_nx,
            coefficient_mx.mean(axis=0),
            _covariance(coefficient_mx),
            max(float(np.mean([fit[1] for fit in fits])), MIN_VARIANCE),
        )

    def fit_model(self, measured: IntArray, outcome_j: FloatArray) -> ModelCombination:
        """Return the posterior mean of a new model, by Bayesian linear regression [1]_.

        The prediction of a measured anchor is leave-one-out: its outcome is taken out of the
        posterior by a rank-one downdate (Sherman-Morrison).

        Parameters
        ----------
        measured : ndarray of shape (n_measured,)
            Distinct indices of the measured anchors.
        outcome_j : ndarray of shape (n_measured,)
            Outcomes on these; no NaN.

        References
        ----------
        .. [1] Bishop, Pattern Recognition and Machine Learning, eq. 3.50 and 3.51.
        """
        design_jx = self.design_nx[measured]
        precision_xx = np.linalg.inv(self.covariance_xx)
        posterior_xx = np.linalg.inv(precision_xx + design_jx.T @ design_jx / self.noise)
        moment_x = precision_xx @ self.prior_x + design_jx.T @ outcome_j / self.noise
        coefficient_x = posterior_xx @ moment_x
        coefficient_nx = np.tile(coefficient_x, (len(self.design_nx), 1))
        gain_jx = design_jx @ posterior_xx / self.noise
        leverage_j1 = (gain_jx * design_jx).sum(axis=1, keepdims=True)
        residual_j1 = (outcome_j - design_jx @ coefficient_x)[:, None]
        coefficient_nx[measured] -= gain_jx * residual_j1 / (1 - leverage_j1)
        return ModelCombination(
            float(coefficient_x[0]),
            self.direction_mz @ coefficient_x[self._factor_columns],
            (self.predictive_design_nx * coefficient_nx).sum(axis=1),
        )

    @property
    def _factor_columns(self) -> slice:
        return slice(1, 1 + self.direction_mz.shape[1])

    @property
    def predictive_design_nx(self) -> FloatArray:
        """The design with residuals of 0, as for a new question."""
        design_nx = self.design_nx.copy()
        design_nx[:, 1 + self.direction_mz.shape[1] :] = 0.0
        return design_nx


def _directions(centred_nm: FloatArray) -> FloatArray:
    """Return the principal directions in order of decreasing variance, (n_known, n_factors)."""
    direction_mz, variance_z, _ = np.linalg.svd(np.atleast_2d(np.cov(centred_nm.T)))
    n_wide = int((variance_z > MIN_STD**2).sum())
    n_factors = min(N_FACTORS, n_wide, len(variance_z) // MIN_MODELS_PER_FACTOR)
    leading_mz: FloatArray = direction_mz[:, : max(n_factors, 1)]
    return leading_mz


def _design(
    centred_nm: FloatArray, residual_nm: FloatArray, direction_mz: FloatArray, among_m: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return ``1, z, e`` at unit variance from some of the models, and the deviations of ``z``.

    A factor that does not vary is 0, with a deviation of 1.
    """
    columns, spreads = [np.ones((len(centred_nm), 1))], []
    for values_nm in (centred_nm, residual_nm):
        factor_nz = values_nm[:, among_m] @ direction_mz[among_m]
        spread_z = factor_nz.std(axis=0)
        varies_z = spread_z > MIN_STD
        spread_z = np.where(varies_z, spread_z, 1.0)
        columns.append(np.where(varies_z, factor_nz / spread_z, 0.0))
        spreads.append(spread_z)
    return np.hstack(columns), spreads[0]


def _least_squares(design_nx: FloatArray, outcome_n: FloatArray) -> tuple[FloatArray, float]:
    """Return the coefficients of least norm and the residual variance."""
    coefficient_x = np.linalg.lstsq(design_nx, outcome_n)[0].astype(np.float64)
    return coefficient_x, float(np.var(outcome_n - design_nx @ coefficient_x))


def _covariance(coefficient_mx: FloatArray) -> FloatArray:
    """Return the covariance over models, shrunk to its diagonal; for one model, the identity."""
    n_models, n_inputs = coefficient_mx.shape
    between_xx = np.cov(coefficient_mx.T) if n_models > 1 else np.eye(n_inputs)
    variance_x = np.diag(between_xx) + MIN_VARIANCE
    covariance_xx = (COVARIANCE_SHRINKAGE * between_xx).astype(np.float64)
    covariance_xx += np.diag(variance_x - np.diag(covariance_xx))
    covariance_xx[0, 0] *= INTERCEPT_VARIANCE_INFLATION
    return covariance_xx
