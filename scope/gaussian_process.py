"""Posterior means of what all models do, learned together from the anchors."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Floats, Singles

NOISES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Noise-to-signal ratios tried for each direction; the last all but silences it."""

N_FILLS = 3
"""Rounds in which unknown outcomes are replaced by what the others say of them."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Eigenvalues and vectors of the anchors' kernel: one decomposition serves every fit."""

    value_n: Floats
    vector_an: Singles

    @classmethod
    def of(cls, similarity_aa: Singles) -> "Spectrum":
        """Decompose a symmetric kernel; takes about 7,000³ operations for 7,000 anchors."""
        value_n, vector_an = np.linalg.eigh(similarity_aa)
        return cls(np.maximum(value_n.astype(np.float64), 0.0), vector_an)

    def solve(self, outcome_a: Floats, noise: float) -> Floats:
        """Return ``(K + noise)^-1 outcome``: the weight of each anchor."""
        inner_n = (self.vector_an.T @ outcome_a) / (self.value_n + noise)
        weight_a: Floats = self.vector_an @ inner_n
        return weight_a

    def left_out(self, outcome_a: Floats, noise: float) -> Floats:
        """Return what the other anchors say of each, by the closed form of leaving one out.

        References
        ----------
        .. [1] Rasmussen and Williams, Gaussian Processes for Machine Learning, eq. 5.12.
        """
        inverse_n = (1 / (self.value_n + noise)).astype(np.float32)
        diagonal_a = np.square(self.vector_an) @ inverse_n
        said_a: Floats = outcome_a - self.solve(outcome_a, noise) / diagonal_a
        return said_a


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
    direction_mr : ndarray of shape (n_models, n_models)
        Orthonormal, widest first.
    noise_r : ndarray of shape (n_models,)
        Noise-to-signal ratio picked for each direction.
    weight_ar : ndarray of shape (n_anchors, n_models)
        What each anchor adds to each direction, times its similarity.
    left_out_am : ndarray of shape (n_anchors, n_models)
        What the other anchors say of each.
    """

    mean_m: Floats
    direction_mr: Floats
    noise_r: Floats
    weight_ar: Floats
    left_out_am: Floats

    @classmethod
    def fit(cls, spectrum: Spectrum, outcome_am: Floats) -> "GaussianProcess":
        """Fit the outcomes of all anchors.

        Parameters
        ----------
        spectrum : Spectrum
        outcome_am : ndarray of shape (n_anchors, n_models)
            Any scale; NaN where a model was never run. Such a cell is filled with
            its own prediction, which leaves the posterior as if it were not there.
            Every model needs one outcome.
        """
        known_am = ~np.isnan(outcome_am)
        mean_m = np.where(known_am, outcome_am, 0.0).sum(axis=0) / known_am.sum(axis=0)
        fitted = cls._complete(spectrum, np.where(known_am, outcome_am, mean_m))
        for _ in range(0 if known_am.all() else N_FILLS):
            fitted = cls._complete(spectrum, np.where(known_am, outcome_am, fitted.left_out_am))
        return fitted

    def predict(self, similarity_qa: Singles) -> Floats:
        """Return posterior means of shape (n_questions, n_models).

        Parameters
        ----------
        similarity_qa : ndarray of shape (n_questions, n_anchors)
            Of the kernel that was decomposed.
        """
        shift_qr = similarity_qa.astype(np.float64) @ self.weight_ar
        posterior_qm: Floats = self.mean_m + shift_qr @ self.direction_mr.T
        return posterior_qm

    @classmethod
    def _complete(cls, spectrum: Spectrum, outcome_am: Floats) -> "GaussianProcess":
        mean_m = outcome_am.mean(axis=0)
        _, _, direction_rm = np.linalg.svd(np.atleast_2d(np.cov((outcome_am - mean_m).T)))
        shift_ar = (outcome_am - mean_m) @ direction_rm.T
        picked = [_least_error(spectrum, shift_a) for shift_a in shift_ar.T]
        noise_r = np.array([noise for noise, _ in picked])
        weights = [spectrum.solve(*pair) for pair in zip(shift_ar.T, noise_r, strict=True)]
        left_out_ar = np.column_stack([left_out_a for _, left_out_a in picked])
        left_out_am = mean_m + left_out_ar @ direction_rm
        return cls(mean_m, direction_rm.T, noise_r, np.column_stack(weights), left_out_am)


def _least_error(spectrum: Spectrum, outcome_a: Floats) -> tuple[float, Floats]:
    """Return the noise whose predictions of anchors left out err least, and those predictions."""
    tried = [(noise, spectrum.left_out(outcome_a, noise)) for noise in NOISES]
    return min(tried, key=lambda pair: float(np.square(pair[1] - outcome_a).sum()))
