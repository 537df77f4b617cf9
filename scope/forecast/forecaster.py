"""The forecaster of a fitted bank: correctness and length of every model."""

from dataclasses import dataclass, replace

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.forecast.categories import CategoryClassifier, TextFeatureScaler, classifier_inputs
from scope.forecast.forecast import Forecast
from scope.forecast.kernel import Kernel, kernel_features
from scope.forecast.projection import Projection, joint_features
from scope.predictions import MIN_P

N_NEAREST = 10
"""Number of nearest inducing points in the mean similarity that gives the in-distribution score."""


@dataclass(frozen=True, slots=True)
class Head:
    """Linear prediction of one outcome of every model.

    ``mean_m + similarity_qb @ weight_bm + posterior_qc @ category_cm``. A model that was
    never measured has mean NaN, so its predictions are NaN.
    """

    mean_m: FloatArray
    weight_bm: FloatArray
    category_cm: FloatArray

    def predict(self, similarity_qb: Float32Array, posterior_qc: Float32Array) -> FloatArray:
        """Return the predicted outcomes, shape (n_questions, n_models)."""
        # Double precision, so that the order of the models changes no significant digit.
        outcome_qm: FloatArray = similarity_qb.astype(np.float64) @ self.weight_bm
        outcome_qm += posterior_qc @ self.category_cm
        return self.mean_m + outcome_qm

    def select_models(self, columns: list[int]) -> "Head":
        """Return the head of some models, in the order of `columns`."""
        return Head(self.mean_m[columns], self.weight_bm[:, columns], self.category_cm[:, columns])


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Forecaster of a bank, fitted by `scope.predictor.fit.fit_forecaster`; plain arrays.

    Attributes
    ----------
    form : TextFeatureScaler
    categories : CategoryClassifier
    kernel : Kernel
        Of the inducing points.
    correct : Head
        Predicts the probability of a correct answer.
    length : Head
        Predicts ``log(1 + completion tokens)``.
    smearing_um : ndarray of shape (3, n_models)
        Mean, 10th and 90th percentile of the tokens, over the exponential of `length`.
    in_distribution_threshold : float
        A question whose mean similarity to its `N_NEAREST` inducing points is below this is out of
        distribution.
    anchor_index_n : ndarray of shape (n_fitted,)
        Ascending indices of the fitted anchors in the bank.
    inducing_b : ndarray of shape (n_inducing,)
        Ascending indices of the inducing points among the fitted anchors: all, of a bank that is
        not large.
    posterior_nc : ndarray of shape (n_fitted, n_categories)
        Out-of-fold category probabilities of the fitted anchors.
    loo_p_nm, loo_log_length_nm : ndarray of shape (n_fitted, n_models)
        Leave-one-out predictions of the two heads.
    projection : Projection or None
        Of the vectors of a second encoder, which the kernel has as further features; None: it
        has none.
    """

    form: TextFeatureScaler
    categories: CategoryClassifier
    kernel: Kernel
    correct: Head
    length: Head
    smearing_um: FloatArray
    in_distribution_threshold: float
    anchor_index_n: IntArray
    inducing_b: IntArray
    posterior_nc: Float32Array
    loo_p_nm: FloatArray
    loo_log_length_nm: FloatArray
    projection: Projection | None = None

    def predict(
        self,
        embedding_qd: Float32Array,
        features_qf: FloatArray,
        self_index_q: IntArray,
        category_q: IntArray | None = None,
        second_qy: Float32Array | None = None,
    ) -> Forecast:
        """Predict questions one by one; the predictions of fitted anchors are leave-one-out.

        Parameters
        ----------
        embedding_qd : ndarray of shape (n_questions, n_dimensions)
        features_qf : ndarray of shape (n_questions, n_features)
        self_index_q : ndarray of shape (n_questions,)
            Index in the bank of a question that is an anchor, else -1.
        category_q : ndarray of shape (n_questions,), optional
            Index of the known category of a question, or -1. It replaces the guess in the
            category means, not in the kernel, whose anchors have guesses.
        second_qy : ndarray of shape (n_questions, n_second_dimensions), optional
            Vectors of the second encoder; needed by a forecaster with a projection only.
        """
        category_q = np.full(len(self_index_q), -1) if category_q is None else category_q
        row_q = self._row_of(self_index_q)
        fitted_q = row_q >= 0
        p_qm = self.loo_p_nm[row_q]
        length_qm = self.loo_log_length_nm[row_q]
        in_distribution_q = np.ones(len(row_q))
        if not fitted_q.all():
            new = self._predict_new(
                embedding_qd[~fitted_q],
                features_qf[~fitted_q],
                category_q[~fitted_q],
                None if second_qy is None else second_qy[~fitted_q],
            )
            p_qm[~fitted_q], length_qm[~fitted_q], in_distribution_q[~fitted_q] = new
        tokens_uqm = np.exp(length_qm) * self.smearing_um[:, None, :]
        return Forecast(p_qm.clip(MIN_P, 1 - MIN_P), tokens_uqm, in_distribution_q)

    def select_models(self, columns: list[int]) -> "Forecaster":
        """Return the forecaster of some models, in the order of `columns`."""
        return replace(
            self,
            correct=self.correct.select_models(columns),
            length=self.length.select_models(columns),
            smearing_um=self.smearing_um[:, columns],
            loo_p_nm=self.loo_p_nm[:, columns],
            loo_log_length_nm=self.loo_log_length_nm[:, columns],
        )

    def _row_of(self, self_index_q: IntArray) -> IntArray:
        """Return the index of each question among the fitted anchors, else -1."""
        row_q = np.searchsorted(self.anchor_index_n, self_index_q).clip(
            max=len(self.anchor_index_n) - 1
        )
        return np.where(self.anchor_index_n[row_q] == self_index_q, row_q, -1)

    def _predict_new(
        self,
        embedding_qd: Float32Array,
        features_qf: FloatArray,
        category_q: IntArray,
        second_qy: Float32Array | None,
    ) -> list[FloatArray]:
        """Return probability, log length and in-distribution score of other questions."""
        form_qf = self.form.transform(features_qf)
        # One by one: the last bits of a matrix product depend on its shape, on most processors
        # also on the row, and a decision must not depend on the batch.
        rows = [slice(q, q + 1) for q in range(len(embedding_qd))]
        parts = [
            self._predict_one(
                embedding_qd[row],
                form_qf[row],
                int(category_q[row.start]),
                None if second_qy is None else second_qy[row],
            )
            for row in rows
        ]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _predict_one(
        self,
        embedding_1d: Float32Array,
        form_1f: Float32Array,
        category: int,
        second_1y: Float32Array | None,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        posterior_1c = self.categories.predict_proba(classifier_inputs(embedding_1d, form_1f))
        feature_1i = joint_features(
            kernel_features(form_1f, posterior_1c), self.projection, second_1y
        )
        similarity_1b = self.kernel.similarity(embedding_1d, feature_1i)
        in_distribution_1 = np.minimum(
            mean_top_similarity(similarity_1b) / self.in_distribution_threshold, 1.0
        )
        if category >= 0:
            posterior_1c = np.eye(posterior_1c.shape[1], dtype=np.float32)[[category]]
        p_1m, length_1m = (
            head.predict(similarity_1b, posterior_1c) for head in (self.correct, self.length)
        )
        return p_1m, length_1m, in_distribution_1


def mean_top_similarity(similarity_qb: Float32Array) -> FloatArray:
    """Return the mean similarity to the `N_NEAREST` nearest, shape (n_questions,)."""
    n_near = min(N_NEAREST, similarity_qb.shape[1])
    nearest_qk = np.partition(similarity_qb, -n_near, axis=1)[:, -n_near:]
    # Sorted, since the order of a sum changes its rounding.
    mean_q: FloatArray = np.sort(nearest_qk, axis=1).astype(np.float64).mean(axis=1)
    return mean_q
