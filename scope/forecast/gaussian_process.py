"""Posterior means of what all models do, learned together from the anchors."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from scope.arrays import Float32Array, FloatArray
from scope.forecast.neighbour_statistics import model_means

NOISE_GRID = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Noise-to-signal ratios tried for each direction; the last all but silences it."""

N_IMPUTATIONS = 3
"""Rounds in which unknown outcomes are replaced by what the others say of them."""

PRIOR_STRENGTH = 10.0
"""Pull of a model's mean toward that of all models, in anchors."""


@dataclass(frozen=True, slots=True)
class KernelEigen:
    """Eigenvalues and vectors of the anchors' kernel: one decomposition serves every fit."""

    value_n: Float32Array
    vector_an: Float32Array

    @classmethod
    def from_similarity(cls, similarity_aa: Float32Array) -> "KernelEigen":
        """Decompose a symmetric kernel, which is overwritten: half a minute for 7,000 anchors."""
        # Twice as fast here as numpy's driver of the same name, and in single precision.
        value_n, vector_an = eigh(
            similarity_aa.astype(np.float32, copy=False), driver="evd", overwrite_a=True
        )
        return cls(np.maximum(value_n, 0.0), vector_an)

    def solve(self, inner_nz: Float32Array, noise_z: FloatArray) -> Float32Array:
        """Return ``(K + noise)^-1 outcome`` from outcomes in the eigenvectors' coordinates.

        Parameters
        ----------
        inner_nz : ndarray of shape (n_anchors, n_columns)
            ``vector_an.T @ outcome_az``.
        noise_z : ndarray of shape (n_columns,)
        """
        shrunk_nz = inner_nz / (self.value_n[:, None] + noise_z)
        weight_az: Float32Array = self.vector_an @ shrunk_nz.astype(np.float32)
        return weight_az

    def loo_predictions(self, outcome_az: Float32Array) -> FloatArray:
        """Return what the other anchors say of each, at every noise of `NOISES`.

        The closed form of leaving one out, ``y - (K + noise)^-1 y / diag (K + noise)^-1``.

        Returns
        -------
        ndarray of shape (n_noises, n_anchors, n_columns)

        References
        ----------
        .. [1] Rasmussen and Williams, Gaussian Processes for Machine Learning, eq. 5.12.
        """
        inner_nz, square_an = self.vector_an.T @ outcome_az, np.square(self.vector_an)
        said = []
        for noise in NOISE_GRID:
            diagonal_a1 = (square_an @ (1 / (self.value_n + np.float32(noise))))[:, None]
            weight_az = self.solve(inner_nz, np.full(outcome_az.shape[1], noise))
            said.append(outcome_az - weight_az / diagonal_a1)
        return np.stack(said).astype(np.float64)


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Outcomes of all models as one multi-output process.

    Models fail together: most of what their outcomes vary by is the difficulty of
    the question, which all share, and little is what sets them apart. The process
    therefore runs in the directions of their covariance, each shrunk by the noise
    it was found to hold, so that a difference between two models is believed as
    far as it foretells itself on anchors left out, and no further.

    Attributes
    ----------
    mean_m : ndarray of shape (n_models,)
        Over the anchors; far from all of them the posterior returns to it.
    noise_z : ndarray of shape (n_models,)
        Noise-to-signal ratio picked for each direction, widest direction first.
    weight_am : ndarray of shape (n_anchors, n_models)
        What each anchor adds to each model, times its similarity.
    left_out_am : ndarray of shape (n_anchors, n_models)
        What the other anchors say of each.
    """

    mean_m: FloatArray
    noise_z: FloatArray
    weight_am: FloatArray
    loo_am: FloatArray

    @classmethod
    def fit(cls, spectrum: KernelEigen, outcome_am: FloatArray) -> "GaussianProcess":
        """Fit the outcomes of all anchors.

        Parameters
        ----------
        spectrum : KernelEigen
        outcome_am : ndarray of shape (n_anchors, n_models)
            Any scale; NaN where a model was never run. Such a cell is filled with
            its own prediction, which leaves the posterior as if it were not there.
            Every model needs one outcome.
        """
        known_am = ~np.isnan(outcome_am)
        mean_m = model_means(outcome_am, PRIOR_STRENGTH)
        centred_am = np.where(known_am, outcome_am - mean_m, 0.0)
        fitted = cls._fit_complete(spectrum, mean_m, centred_am)
        for _ in range(0 if known_am.all() else N_IMPUTATIONS):
            centred_am = np.where(known_am, centred_am, fitted.loo_am - mean_m)
            fitted = cls._fit_complete(spectrum, mean_m, centred_am)
        return fitted

    @classmethod
    def _fit_complete(
        cls, spectrum: KernelEigen, mean_m: FloatArray, centred_am: FloatArray
    ) -> "GaussianProcess":
        _, _, direction_zm = np.linalg.svd(np.atleast_2d(np.cov(centred_am.T)))
        centred_az = (centred_am @ direction_zm.T).astype(np.float32)
        loo_gaz = spectrum.loo_predictions(centred_az)
        best_z = np.square(loo_gaz - centred_az).sum(axis=1).argmin(axis=0)
        noise_z = np.array(NOISE_GRID)[best_z]
        weight_az = spectrum.solve(spectrum.vector_an.T @ centred_az, noise_z)
        loo_az = np.take_along_axis(loo_gaz, best_z[None, None], axis=0)[0]
        return cls(
            mean_m,
            noise_z,
            weight_az.astype(np.float64) @ direction_zm,
            mean_m + loo_az @ direction_zm,
        )
