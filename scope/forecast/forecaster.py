"""What a bank has learned from its own outcomes: correctness and length of every model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.forecast.categories import CategoryClassifier, TextFeatureScaler, classifier_inputs
from scope.forecast.forecast import Forecast
from scope.forecast.kernel import Kernel, kernel_features
from scope.predictions import MIN_P

N_NEAREST = 10
"""Most similar anchors whose mean similarity says how familiar a question is."""


@dataclass(frozen=True, slots=True)
class Head:
    """One outcome of every model, linear in similarities and categories.

    ``mean_m + similarity_qn @ weight_nm + posterior_qc @ category_cm``. A model whose
    mean is NaN was never measured, and stays NaN.
    """

    mean_m: FloatArray
    weight_nm: FloatArray
    category_cm: FloatArray

    def predict(self, similarity_qn: Float32Array, posterior_qc: Float32Array) -> FloatArray:
        """Return the outcome of each question and model, (n_questions, n_models)."""
        # In double precision the place of a model in the pool moves no digit that counts.
        outcome_qm: FloatArray = similarity_qn.astype(np.float64) @ self.weight_nm
        outcome_qm += posterior_qc @ self.category_cm
        return self.mean_m + outcome_qm

    def select_models(self, positions: Sequence[int]) -> "Head":
        """Return the head of some models, in the order of `positions`."""
        m = list(positions)
        return Head(self.mean_m[m], self.weight_nm[:, m], self.category_cm[:, m])


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Forecasts learned on a bank by `scope.predictor.fit.fit_forecaster`; plain arrays.

    Attributes
    ----------
    form : TextFeatureScaler
    categories : CategoryClassifier
    kernel : Kernel
        Of the ``n`` anchors that were learned from.
    correct : Head
        Of the probability of a right answer.
    length : Head
        Of ``log(1 + completion tokens)``.
    smearing_sm : ndarray of shape (3, n_models)
        Expected tokens, and the ends of their spread, over the exponential of `length`.
    familiar : float
        Mean similarity of the `NEAREST` anchors below which a question is a stranger.
    place_n : ndarray of shape (n_learned,)
        Positions in the bank of the anchors that were learned from, rising.
    posterior_nc : ndarray of shape (n_learned, n_categories)
        Their categories, each guessed without knowing its own.
    loo_p_nm, loo_log_length_nm : ndarray of shape (n_learned, n_models)
        What the two heads would say of each had it not been there.
    """

    form: TextFeatureScaler
    categories: CategoryClassifier
    kernel: Kernel
    correct: Head
    length: Head
    smearing_sm: FloatArray
    in_distribution_threshold: float
    anchor_index_n: IntArray
    posterior_nc: Float32Array
    loo_p_nm: FloatArray
    loo_log_length_nm: FloatArray

    def predict(
        self, embedding_qd: Float32Array, features_qf: FloatArray, self_index_q: IntArray
    ) -> Forecast:
        """Foretell questions, each as if it came alone and were no anchor.

        Parameters
        ----------
        embedding_qd : ndarray of shape (n_questions, n_dimensions)
        features_qf : ndarray of shape (n_questions, n_features)
        self_index_q : ndarray of shape (n_questions,)
            Position in the bank of a question that is an anchor, else -1.
        """
        row_q = self._row_of(self_index_q)
        learned_q = row_q >= 0
        p_qm = self.loo_p_nm[row_q]
        length_qm = self.loo_log_length_nm[row_q]
        in_distribution_q = np.ones(len(row_q))
        if not learned_q.all():
            new = self._predict_new(embedding_qd[~learned_q], features_qf[~learned_q])
            p_qm[~learned_q], length_qm[~learned_q], in_distribution_q[~learned_q] = new
        tokens_sqm = np.exp(length_qm) * self.smearing_sm[:, None, :]
        return Forecast(p_qm.clip(MIN_P, 1 - MIN_P), tokens_sqm, in_distribution_q)

    def select_models(self, positions: Sequence[int]) -> "Forecaster":
        """Return the forecaster of some models, in the order of `positions`."""
        m = list(positions)
        return replace(
            self,
            correct=self.correct.select_models(m),
            length=self.length.select_models(m),
            smearing_sm=self.smearing_sm[:, m],
            loo_p_nm=self.loo_p_nm[:, m],
            loo_log_length_nm=self.loo_log_length_nm[:, m],
        )

    def _row_of(self, self_index_q: IntArray) -> IntArray:
        """Return where in `place_n` each question stands; -1 for one not learned from."""
        row_q = np.searchsorted(self.anchor_index_n, self_index_q).clip(
            max=len(self.anchor_index_n) - 1
        )
        return np.where(self.anchor_index_n[row_q] == self_index_q, row_q, -1)

    def _predict_new(self, embedding_qd: Float32Array, features_qf: FloatArray) -> list[FloatArray]:
        """Return probability, log length and in_distribution of questions that are no anchors."""
        form_qf = self.form.transform(features_qf)
        # One by one: the last bits of a product depend on its shape, on most processors also on
        # the row within it, and a decision must not depend on who else asks.
        rows = [slice(q, q + 1) for q in range(len(embedding_qd))]
        parts = [self._predict_one(embedding_qd[row], form_qf[row]) for row in rows]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _predict_one(
        self, embedding_1d: Float32Array, form_1f: Float32Array
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        posterior_1c = self.categories.predict_proba(classifier_inputs(embedding_1d, form_1f))
        similarity_1n = self.kernel.similarity(embedding_1d, kernel_features(form_1f, posterior_1c))
        familiarity_1 = np.minimum(
            mean_top_similarity(similarity_1n) / self.in_distribution_threshold, 1.0
        )
        p_1m, length_1m = (
            head.predict(similarity_1n, posterior_1c) for head in (self.correct, self.length)
        )
        return p_1m, length_1m, familiarity_1


def mean_top_similarity(similarity_qn: Float32Array) -> FloatArray:
    """Return the mean similarity of the `NEAREST` anchors, shape (n_questions,)."""
    n_near = min(N_NEAREST, similarity_qn.shape[1])
    nearest_qk = np.partition(similarity_qn, -n_near, axis=1)[:, -n_near:]
    # Sorted, for the sum of equal numbers in another order is another number.
    mean_q: FloatArray = np.sort(nearest_qk, axis=1).astype(np.float64).mean(axis=1)
    return mean_q
