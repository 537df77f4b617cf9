"""What models share, so that a few outcomes of a new one tell the rest."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, FloatArray, IntArray

N_FACTORS = 4
"""Directions in which known models differ that a new one is placed on; chosen, like the next, by
leaving out one family of known models at a time (docs/quality.md)."""

MIN_MODELS_PER_FACTOR = 3
"""Known models it takes for each of them. With four models and four factors a newcomer known from
10 anchors has a squared error of .228 on MMLU-Pro, with one factor .218."""

COVARIANCE_SHRINKAGE = 0.5
"""Share of the covariances between the known models' coefficients that is believed."""

INTERCEPT_VARIANCE_INFLATION = 2.5
"""The level of a new model may lie further off than the known ones' spread, in variance."""

MIN_VARIANCE = 1e-5
"""Added to every variance of the prior; also the least noise, for models that are all alike."""

MIN_STD = 0.003
"""A direction in which known models are said to differ by less is none: what a bank stores of
log tokens is rounded by up to .002, and scaled to unit spread that would be a factor of noise."""


@dataclass(frozen=True, slots=True)
class ModelCombination:
    """A model as a combination of known ones: ``level + (known - mean) @ mix_m``.

    Attributes
    ----------
    level : float
        Its outcome where every known model stands at its mean; same unit as the outcomes.
    mix_m : ndarray of shape (n_known,)
        Dimensionless; a copy of one known model has 1 there and 0 elsewhere.
    left_out_n : ndarray of shape (n_anchors,)
        What is foretold of each anchor; of a measured one as if it had not been. Not
        clipped: a probability may leave [0, 1].
    """

    level: float
    weight_m: FloatArray
    loo_n: FloatArray


@dataclass(frozen=True, slots=True)
class TransferModel:
    """A linear model of one outcome of a new model, with the known models as prior.

    An outcome on an anchor is foretold from ``z``, the leading factors of what the
    forecaster says of the anchor left out, and ``e``, the same factors of by how much
    the known models then surprised it. At a new question the surprise is unknown and
    0 on average; on the anchors it tells an unlucky draw of questions from a weak
    model, which is what takes most anchors to learn. The prior of the coefficients
    is what they are for each known model on the factors of the others.

    The outcome is any number that is roughly linear in those of others: 1 for right
    and 0 for wrong, or the logarithm of a token count. There are `N_FACTORS` factors,
    fewer where known models are few or differ in fewer directions.

    Attributes
    ----------
    mean_m : ndarray of shape (n_known,)
        What the forecaster says of each model far from all anchors.
    direction_mz : ndarray of shape (n_known, n_factors)
        Of unit spread over the anchors, so that ``z = (said - mean_m) @ direction_mz``.
    design_nx : ndarray of shape (n_anchors, 1 + 2 n_factors)
        ``1, z, e``.
    prior_x : ndarray of shape (1 + 2 n_factors,)
        Mean of the coefficients of the design before anything is measured.
    covariance_xx : ndarray of shape (1 + 2 n_factors, 1 + 2 n_factors)
        Theirs, likewise.
    noise : float
        Variance of an outcome when all coefficients are known.
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
        """Learn from what known models did.

        Parameters
        ----------
        mean_m : ndarray of shape (n_known,)
            At least one model. A lone one is taken for its own kin.
        predicted_nm : ndarray of shape (n_anchors, n_known)
            Foretold with each anchor left out.
        outcome_nm : ndarray of shape (n_anchors, n_known)
            NaN where unknown: no surprise. Every model needs one outcome.
        """
        centred_nm = predicted_nm - mean_m
        residual_nm = np.where(np.isnan(outcome_nm), 0.0, outcome_nm - predicted_nm)
        direction_mz = _directions(centred_nm)
        everyone_m = np.ones(len(mean_m), dtype=np.bool_)
        design_nx, spread_z = _design(centred_nm, residual_nm, direction_mz, everyone_m)
        fits = []
        for m in range(len(mean_m)):
            others = everyone_m.copy()
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

        What is said of a measured anchor takes its outcome out of the posterior again,
        a rank-one downdate by Sherman and Morrison's formula: the same as a fit
        without it.

        Parameters
        ----------
        measured : ndarray of shape (n_measured,)
            Positions of the anchors it was asked, none twice.
        outcome_j : ndarray of shape (n_measured,)
            What it did there; no NaN.

        References
        ----------
        .. [1] Bishop, Pattern Recognition and Machine Learning, eq. 3.50 and 3.51.
        """
        design_jx = self.design_nx[measured]
        precision_xx = np.linalg.inv(self.covariance_xx)
        posterior_xx = np.linalg.inv(precision_xx + design_jx.T @ design_jx / self.noise)
        weighed_x = precision_xx @ self.prior_x + design_jx.T @ outcome_j / self.noise
        coefficient_x = posterior_xx @ weighed_x
        coefficient_nx = np.tile(coefficient_x, (len(self.design_nx), 1))
        influence_jx = design_jx @ posterior_xx / self.noise
        leverage_j1 = (influence_jx * design_jx).sum(axis=1, keepdims=True)
        residual_j1 = (outcome_j - design_jx @ coefficient_x)[:, None]
        coefficient_nx[measured] -= influence_jx * residual_j1 / (1 - leverage_j1)
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
        """The design of anchors whose surprise is not known, as that of a new question."""
        foreknown_nx = self.design_nx.copy()
        foreknown_nx[:, 1 + self.direction_mz.shape[1] :] = 0.0
        return foreknown_nx


def _directions(centred_nm: FloatArray) -> FloatArray:
    """Return the principal directions of what is said, widest first, (n_known, n_factors)."""
    direction_mz, variance_z, _ = np.linalg.svd(np.atleast_2d(np.cov(centred_nm.T)))
    n_wide = int((variance_z > MIN_STD**2).sum())
    n_factors = min(N_FACTORS, n_wide, len(variance_z) // MIN_MODELS_PER_FACTOR)
    leading_mz: FloatArray = direction_mz[:, : max(n_factors, 1)]
    return leading_mz


def _design(
    centred_nm: FloatArray, residual_nm: FloatArray, direction_mz: FloatArray, among_m: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return ``1, z, e`` of unit spread from some of the models, and the spread of ``z``.

    A factor that does not vary is 0, with 1 for its spread: it tells nothing.
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
    """Return the coefficients, the smallest where many fit, and the variance they leave."""
    coefficient_x = np.linalg.lstsq(design_nx, outcome_n)[0].astype(np.float64)
    return coefficient_x, float(np.var(outcome_n - design_nx @ coefficient_x))


def _covariance(coefficient_mx: FloatArray) -> FloatArray:
    """Return the covariance between models, drawn to its diagonal; of one model, the identity."""
    n_models, n_inputs = coefficient_mx.shape
    between_xx = np.cov(coefficient_mx.T) if n_models > 1 else np.eye(n_inputs)
    variance_x = np.diag(between_xx) + MIN_VARIANCE
    covariance_xx = (COVARIANCE_SHRINKAGE * between_xx).astype(np.float64)
    covariance_xx += np.diag(variance_x - np.diag(covariance_xx))
    covariance_xx[0, 0] *= INTERCEPT_VARIANCE_INFLATION
    return covariance_xx
