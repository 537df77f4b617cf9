"""kNN forecast: means over the nearest anchors, shrunk toward the means over the bank."""

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.config import AnchorConfig
from scope.forecast.forecast import TOKEN_QUANTILES, Forecast
from scope.forecast.neighbour_statistics import (
    effective_sample_size,
    model_means,
    model_quantiles,
    weighted_means,
    weighted_quantiles,
)
from scope.outcomes import Outcomes


class KNNForecaster:
    """Posterior means over the nearest anchors of a bank.

    For model ``m`` with neighbours' mean ``a`` on ``n`` effective anchors,
    ``p = (n * a + k * mean_m) / (n + k)``: the mean of a Beta posterior with a prior
    of ``k`` pseudo-counts at the model's mean over the bank. Token counts are shrunk
    in the same way. The model's own mean is shrunk by the same pseudo-counts toward
    the mean of all models, so that a few lucky answers do not favour a model. A model
    that was never measured is NaN.
    """

    def __init__(self, outcomes: Outcomes, config: AnchorConfig) -> None:
        self._outcomes = outcomes
        self._prior_strength = config.prior_strength
        self._mean_p_m = model_means(outcomes.correct_am, self._prior_strength)
        self._mean_tokens_m = model_means(outcomes.completion_tokens_am, self._prior_strength)
        self._spread_m = model_quantiles(outcomes.completion_tokens_am, TOKEN_QUANTILES)

    def predict(
        self, weight_qk: FloatArray, anchor_qk: IntArray, in_distribution_q: FloatArray
    ) -> Forecast:
        """Return the kNN estimate.

        Parameters
        ----------
        weight_qk, anchor_qk : ndarray of shape (n_questions, n_neighbours)
        in_distribution_q : ndarray of shape (n_questions,)
            Factor on the weight of the anchors; the models' means get the rest. NaN, where it is
            unknown, counts as 1.
        """
        factor_q1 = np.nan_to_num(in_distribution_q, nan=1.0)[:, None]
        return Forecast(
            self._probability(weight_qk, self._outcomes.correct_am[anchor_qk], factor_q1),
            self._tokens(weight_qk, self._outcomes.completion_tokens_am[anchor_qk], factor_q1),
            in_distribution_q,
        )

    def mean_probability(self, n_questions: int) -> FloatArray:
        """Return the models' means over the bank, shape (n_questions, n_models)."""
        return np.tile(self._mean_p_m, (n_questions, 1))

    def _shrunk(self, near_qm: FloatArray, overall_m: FloatArray, n_qm: FloatArray) -> FloatArray:
        known_qm = np.where(n_qm > 0, near_qm, 0.0)
        shrunk_qm: FloatArray = (n_qm * known_qm + self._prior_strength * overall_m) / (
            n_qm + self._prior_strength
        )
        return shrunk_qm

    def _probability(
        self, weight_qk: FloatArray, correct_qkm: FloatArray, factor_q1: FloatArray
    ) -> FloatArray:
        n_qm = factor_q1 * effective_sample_size(weight_qk, correct_qkm)
        near_qm = weighted_means(weight_qk, correct_qkm)
        return self._shrunk(near_qm, self._mean_p_m, n_qm).clip(0, 1)

    def _tokens(
        self, weight_qk: FloatArray, tokens_qkm: FloatArray, factor_q1: FloatArray
    ) -> FloatArray:
        n_qm = factor_q1 * effective_sample_size(weight_qk, tokens_qkm)
        near = [
            weighted_means(weight_qk, tokens_qkm),
            *weighted_quantiles(weight_qk, tokens_qkm, TOKEN_QUANTILES),
        ]
        overall = [self._mean_tokens_m, *self._spread_m]
        return np.stack([self._shrunk(*pair, n_qm) for pair in zip(near, overall, strict=True)])
