"""Choose the questions whose outcomes would tell most about traffic."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, Float32Array, FloatArray, IntArray
from scope.forecast import EMBEDDING_LENGTHSCALE

BLOCK_ROWS = 2_048
"""Rows that are computed at a time: 60 MB beside 7,000 anchors."""

NOISE = 1.0
"""Variance of what is special to a question over that of what it shares with questions like it."""

MIN_EIGENVALUE = 1e-6
"""Directions of the landmarks' kernel below this share of the largest are left out."""


def choose_informative(
    embedding_qd: Float32Array,
    weight_q: FloatArray,
    anchor_ad: Float32Array,
    landmark_ld: Float32Array,
    *,
    candidate_q: BoolArray,
    group_q: IntArray,
    n: int,
) -> IntArray:
    """Choose questions greedily by how much their outcomes narrow the forecasts of all requests.

    The outcome of a question is taken as a Gaussian process over the embeddings, with the kernel
    ``exp(-(1 - cosine) / EMBEDDING_LENGTHSCALE)`` of a bank's forecaster, and a part of its own
    with variance `NOISE`, which comes again when the same is asked again. The next question is
    the one whose outcome most reduces the variance of all requests' outcomes,

    ``(sum_q weight_q cov(q, j)² + weight_j NOISE (2 var(j) + NOISE)) / (var(j) + NOISE)`` [1]_,

    with the process' variance and covariance given the anchors and the questions chosen before;
    the second term is what j tells of itself beyond the process. So a question counts that is
    near to many requests and far from the anchors, or that is asked again and again; one that is
    near to none tells little, however uncertain it is. No outcome is needed. `select_anchors`
    measures a new model by the same criterion.

    The process is that of the functions spanned by the landmarks [2]_, which is exact if all
    questions and anchors are among them. Memory is 3 float32 matrices of questions x landmarks,
    600 MB for 50,000 x 1,024; the time of a choice grows with their size.

    Parameters
    ----------
    embedding_qd : ndarray of shape (n_questions, n_dimensions)
        Unit vectors.
    weight_q : ndarray of shape (n_questions,)
        Requests that ask the question, at least 0.
    anchor_ad : ndarray of shape (n_anchors, n_dimensions)
    landmark_ld : ndarray of shape (n_landmarks, n_dimensions)
        At least one.
    candidate_q : ndarray of shape (n_questions,)
        Whether a question may be chosen.
    group_q : ndarray of shape (n_questions,)
        Of each group at most one question is chosen; -1: the question is in none.
    n : int
        Most questions to choose.

    Returns
    -------
    ndarray of shape (n_chosen,)
        Indices, the most informative first; fewer than `n` if the candidates run out. Of equal
        ones the first wins.

    References
    ----------
    .. [1] Cohn, Ghahramani and Jordan, Active Learning with Statistical Models,
       Journal of Artificial Intelligence Research 4 (1996), section 2.
    .. [2] Quiñonero-Candela and Rasmussen, A Unifying View of Sparse Approximate Gaussian
       Process Regression, JMLR 6 (2005), section 4 (subset of regressors).
    """
    if not candidate_q.any():  # there may be no question at all
        return np.array([], dtype=np.int64)
    open_q, chosen = candidate_q.copy(), list[int]()
    posterior = _Posterior.given(embedding_qd, weight_q, anchor_ad, landmark_ld)
    while len(chosen) < n and open_q.any():
        best = int(np.argmax(np.where(open_q, posterior.reduction(), -np.inf)))
        posterior.observe(best)
        chosen.append(best)
        open_q[best] = False
        if group_q[best] >= 0:
            open_q[group_q == group_q[best]] = False
    return np.array(chosen, dtype=np.int64)


def nearest_cosine(embedding_qd: Float32Array, other_nd: Float32Array) -> Float32Array:
    """Return the cosine of each question to the nearest of the others; -1 where there is none."""
    nearest_q = np.full(len(embedding_qd), -1, dtype=np.float32)
    for rows in _blocks(len(embedding_qd) if len(other_nd) else 0):
        nearest_q[rows] = (embedding_qd[rows] @ other_nd.T).max(axis=1)
    return nearest_q


@dataclass(slots=True)
class _Posterior:
    """The process given all outcomes so far, in the coordinates of the landmarks.

    Attributes
    ----------
    weight_q : ndarray
    design_qx : ndarray
        A question's coordinates: prior covariances are their inner products.
    covariance_xx : ndarray
    root_xx : ndarray
        Symmetric root of the second moments of the requests' coordinates.
    reach_qx : ndarray
        ``design @ covariance @ root``: its squared length is a sum of squared covariances.
    variance_q : ndarray
    """

    weight_q: FloatArray
    design_qx: Float32Array
    covariance_xx: FloatArray
    root_xx: FloatArray
    reach_qx: Float32Array
    variance_q: FloatArray

    @classmethod
    def given(
        cls,
        embedding_qd: Float32Array,
        weight_q: FloatArray,
        anchor_ad: Float32Array,
        landmark_ld: Float32Array,
    ) -> "_Posterior":
        """Return the process given the anchors."""
        value_x, vector_lx = np.linalg.eigh(_kernel(landmark_ld, landmark_ld).astype(np.float64))
        kept_x = value_x > MIN_EIGENVALUE * value_x[-1]
        whitening_lx = (vector_lx[:, kept_x] / np.sqrt(value_x[kept_x])).astype(np.float32)
        precision_xx = np.eye(whitening_lx.shape[1])
        for rows in _blocks(len(anchor_ad)):
            design_ax = _kernel(anchor_ad[rows], landmark_ld) @ whitening_lx
            precision_xx += design_ax.T @ design_ax / NOISE
        covariance_xx = np.linalg.inv(precision_xx).astype(np.float64)
        design_qx = np.empty((len(embedding_qd), len(precision_xx)), dtype=np.float32)
        moment_xx = np.zeros_like(precision_xx)
        for rows in _blocks(len(embedding_qd)):
            design_qx[rows] = _kernel(embedding_qd[rows], landmark_ld) @ whitening_lx
            moment_xx += (design_qx[rows] * weight_q[rows, None]).T @ design_qx[rows]
        root_xx = _root(moment_xx)
        weighted_qx = design_qx @ covariance_xx.astype(np.float32)
        variance_q: FloatArray = np.einsum("qx,qx->q", weighted_qx, design_qx).astype(np.float64)
        reach_qx = weighted_qx @ root_xx.astype(np.float32)
        return cls(weight_q, design_qx, covariance_xx, root_xx, reach_qx, variance_q)

    def reduction(self) -> FloatArray:
        """Return by how much each question's outcome would reduce the variance, summed."""
        shared_q = np.einsum("qx,qx->q", self.reach_qx, self.reach_qx)
        own_q = self.weight_q * NOISE * (2 * self.variance_q + NOISE)
        reduction_q: FloatArray = (shared_q + own_q) / (self.variance_q + NOISE)
        return reduction_q

    def observe(self, question: int) -> None:
        """Add an outcome of a question."""
        reach_x = self.covariance_xx @ self.design_qx[question].astype(np.float64)
        total = self.variance_q[question] + NOISE
        shared_q = self.design_qx @ reach_x.astype(np.float32)
        self.covariance_xx -= np.outer(reach_x, reach_x) / total
        step_x = (reach_x @ self.root_xx / total).astype(np.float32)
        for rows in _blocks(len(shared_q)):
            self.reach_qx[rows] -= shared_q[rows, None] * step_x
        self.variance_q -= np.square(shared_q, dtype=np.float64) / total


def _kernel(embedding_qd: Float32Array, other_nd: Float32Array) -> Float32Array:
    exponent_qn = embedding_qd @ other_nd.T
    exponent_qn -= 1
    exponent_qn /= EMBEDDING_LENGTHSCALE
    np.minimum(exponent_qn, 0, out=exponent_qn)  # rounding may give a cosine slightly above 1
    kernel_qn: Float32Array = np.exp(exponent_qn, out=exponent_qn)
    return kernel_qn


def _root(moment_xx: FloatArray) -> FloatArray:
    value_x, vector_xx = np.linalg.eigh(moment_xx)
    root_xx: FloatArray = (vector_xx * np.sqrt(np.maximum(value_x, 0))) @ vector_xx.T
    return root_xx


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, BLOCK_ROWS):
        yield slice(start, start + BLOCK_ROWS)
