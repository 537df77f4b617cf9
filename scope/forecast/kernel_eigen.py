"""Eigendecomposition of a kernel, of all anchors or through inducing points."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, eigh, solve_triangular

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.forecast.kernel import row_blocks

NOISE_GRID = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Noise-to-signal ratios tried for each direction; the last nearly removes it."""

JITTER = 1e-3
"""Added to the inducing points' own similarities, so that near duplicates can be inverted."""

MIN_EIGENVALUE = 1e-3
"""Smallest kept eigenvalue through inducing points; the least noise is 300 times as large."""


@dataclass(frozen=True, slots=True)
class KernelEigen:
    """Eigendecomposition of the anchors' kernel, computed once for every fit.

    ``K = vector_ae diag(value_e) vector_ae'``, exact if every anchor is an inducing point, else
    the Nyström approximation [1]_: anchors influence each other through the inducing points.

    Attributes
    ----------
    value_e : ndarray of shape (n_directions,)
    vector_ae : ndarray of shape (n_anchors, n_directions)
        Orthonormal columns.
    basis_be : ndarray of shape (n_inducing, n_directions)
        From these coordinates to weights of the inducing points' similarities.

    References
    ----------
    .. [1] Williams and Seeger, Using the Nyström Method to Speed Up Kernel Machines, 2000.
    """

    value_e: Float32Array
    vector_ae: Float32Array
    basis_be: Float32Array

    @classmethod
    def from_similarity(cls, similarity_ab: Float32Array, inducing_b: IntArray) -> "KernelEigen":
        """Decompose a kernel and overwrite it; 7,000 anchors take half a minute.

        Parameters
        ----------
        similarity_ab : ndarray of shape (n_anchors, n_inducing)
            Single precision.
        inducing_b : ndarray of shape (n_inducing,)
            Ascending indices of the inducing points among the anchors.
        """
        if len(inducing_b) == len(similarity_ab):
            # Single precision; twice as fast as the numpy driver of the same name.
            value_e, vector_ae = eigh(similarity_ab, driver="evd", overwrite_a=True)
            return cls(np.maximum(value_e, 0.0), vector_ae, vector_ae)
        own_bb = similarity_ab[inducing_b].astype(np.float64)
        own_bb[np.diag_indices_from(own_bb)] += JITTER
        root_bb = cholesky(own_bb, lower=True, overwrite_a=True).astype(np.float32)
        # Coordinates in which the kernel of the inducing points is an inner product.
        inner_bb = np.zeros_like(root_bb)
        for block in row_blocks(len(similarity_ab)):
            similarity_ab[block] = solve_triangular(root_bb, similarity_ab[block].T, lower=True).T
            inner_bb += similarity_ab[block].T @ similarity_ab[block]
        value_e, rotation_be = eigh(inner_bb, driver="evd", overwrite_a=True)
        kept = value_e > MIN_EIGENVALUE
        value_e, rotation_be = value_e[kept], rotation_be[:, kept]
        scale_e = np.sqrt(value_e)
        for block in row_blocks(len(similarity_ab)):
            similarity_ab[block, : len(value_e)] = similarity_ab[block] @ (rotation_be / scale_e)
        basis_be = solve_triangular(root_bb, rotation_be, lower=True, trans="T") * scale_e
        return cls(value_e, similarity_ab[:, : len(value_e)], basis_be)

    def weights(self, outcome_az: Float32Array, noise_z: FloatArray) -> Float32Array:
        """Return the inducing points' weights that predict outcomes, (n_inducing, n_columns).

        Of all anchors as inducing points ``(K + noise)^-1 outcome``.

        Parameters
        ----------
        outcome_az : ndarray of shape (n_anchors, n_columns)
        noise_z : ndarray of shape (n_columns,)
        """
        inner_ez = self.vector_ae.T @ outcome_az
        shrunk_ez = inner_ez / (self.value_e[:, None] + noise_z)
        weight_bz: Float32Array = self.basis_be @ shrunk_ez.astype(np.float32)
        return weight_bz

    def loo_predictions(self, outcome_az: Float32Array) -> FloatArray:
        """Return leave-one-out predictions at every noise of `NOISE_GRID`.

        The closed form ``y - (y - H y) / diag (I - H)`` with ``H = K (K + noise)^-1``; the
        inducing points stay where they are.

        Returns
        -------
        ndarray of shape (n_noises, n_anchors, n_columns)

        References
        ----------
        .. [1] Rasmussen and Williams, Gaussian Processes for Machine Learning, eq. 5.12.
        """
        inner_ez = self.vector_ae.T @ outcome_az
        gain_ge = self.value_e / (self.value_e + np.array(NOISE_GRID, dtype=np.float32)[:, None])
        loo_gaz = np.empty((len(NOISE_GRID), *outcome_az.shape))
        for block in row_blocks(len(outcome_az)):
            vector_ae, outcome_bz = self.vector_ae[block], outcome_az[block]
            square_ae = np.square(vector_ae)
            for loo_az, gain_e in zip(loo_gaz, gain_ge, strict=True):
                residual_az = outcome_bz - vector_ae @ (gain_e[:, None] * inner_ez)
                loo_az[block] = outcome_bz - residual_az / (1 - square_ae @ gain_e)[:, None]
        return loo_gaz
