"""Coordinates of a second encoder in the kernel: centred principal components, scaled."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Float32Array

N_COMPONENTS = 128
"""Most principal components of a second embedding: the rest of it is noise (docs/quality.md)."""


@dataclass(frozen=True, slots=True)
class Projection:
    """From the vectors of a second encoder to coordinates of the kernel.

    The principal components of the anchors, scaled to one length for every question. Appended to
    `kernel_features`, they make the kernel a product of that of the first encoder and
    ``exp(-(1 - cosine of the components) / lengthscale)`` of the second.

    Attributes
    ----------
    mean_y : ndarray of shape (n_second_dimensions,)
        Mean over the anchors.
    component_yz : ndarray of shape (n_second_dimensions, n_components)
        Principal components of the anchors, orthonormal.
    lengthscale : float
        Cosine distance at which the second kernel is 1/e.
    """

    mean_y: Float32Array
    component_yz: Float32Array
    lengthscale: float

    @classmethod
    def fit(cls, second_ay: Float32Array, lengthscale: float = 1.0) -> "Projection":
        """Fit the components to anchors.

        Parameters
        ----------
        second_ay : ndarray of shape (n_anchors, n_second_dimensions)
            Vectors of the second encoder.
        lengthscale : float
        """
        mean_y = second_ay.mean(axis=0, dtype=np.float64)
        centred_ay = second_ay - mean_y
        _, component_yz = np.linalg.eigh(centred_ay.T @ centred_ay)
        n_kept = min(N_COMPONENTS, len(second_ay) - 1, len(mean_y))
        kept_yz = component_yz[:, ::-1][:, :n_kept]
        return cls(mean_y.astype(np.float32), kept_yz.astype(np.float32), lengthscale)

    def transform(self, second_qy: Float32Array) -> Float32Array:
        """Return the coordinates, shape (n_questions, n_components); 0 for the mean vector."""
        coordinate_qz = (second_qy - self.mean_y) @ self.component_yz
        length_q1 = np.linalg.norm(coordinate_qz, axis=1, keepdims=True)
        # Half of the squared distance of unit vectors is 1 - cosine.
        unit_qz: Float32Array = coordinate_qz / np.where(length_q1 > 0, length_q1, 1)
        return unit_qz / np.float32(np.sqrt(2 * self.lengthscale))


def joint_features(
    feature_qi: Float32Array, projection: Projection | None, second_qy: Float32Array | None
) -> Float32Array:
    """Return the features of the kernel with the coordinates of the second encoder, if any."""
    if projection is None or second_qy is None:
        return feature_qi
    return np.hstack([feature_qi, projection.transform(second_qy)], dtype=np.float32)
