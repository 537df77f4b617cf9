"""What the nearest anchors say, drawn toward what the whole bank says."""

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
    ``p = (n * a + k * mean_m) / (n + k)``: the mean of a Beta posterior whose
    prior is worth ``k`` pseudo-anchors at the model's mean over the bank. Token
    counts are shrunk in the same way. The model's own mean is shrunk by as many
    pseudo-anchors toward the mean of all models, so that three lucky answers
    do not make a favourite. A model the bank never measured stays NaN.
    """

    def __init__(self, outcomes: Outcomes, config: AnchorConfig) -> None:
        self._outcomes = outcomes
        self._pseudo = config.prior_strength
        self._mean_p_m = model_means(outcomes.correct_am, self._pseudo)
        self._mean_tokens_m = model_means(outcomes.completion_tokens_am, self._pseudo)
        self._spread_m = model_quantiles(outcomes.completion_tokens_am, TOKEN_QUANTILES)

    def predict(
        self, weight_qk: FloatArray, anchor_qk: IntArray, in_distribution_q: FloatArray
    ) -> Forecast:
        """Count the votes of the neighbours.

        Parameters
        ----------
        weight_qk, anchor_qk : ndarray of shape (n_questions, n_neighbours)
        in_distribution_q : ndarray of shape (n_questions,)
            Share of its say that an anchor has on a question unlike all of them; NaN, where
            nobody knows, leaves it all. The rest goes to the models' means.
        """
        say_q1 = np.nan_to_num(in_distribution_q, nan=1.0)[:, None]
        return Forecast(
            self._probability(weight_qk, self._outcomes.correct_am[anchor_qk], say_q1),
            self._tokens(weight_qk, self._outcomes.completion_tokens_am[anchor_qk], say_q1),
            in_distribution_q,
        )

    def _shrunk(self, near_qm: FloatArray, overall_m: FloatArray, n_qm: FloatArray) -> FloatArray:
        heard_qm = np.where(n_qm > 0, near_qm, 0.0)
        shrunk_qm: FloatArray = (n_qm * heard_qm + self._pseudo * overall_m) / (n_qm + self._pseudo)
        return shrunk_qm

    def _probability(
        self, weight_qk: FloatArray, correct_qkm: FloatArray, say_q1: FloatArray
    ) -> FloatArray:
        n_qm = say_q1 * effective_sample_size(weight_qk, correct_qkm)
        near_qm = weighted_means(weight_qk, correct_qkm)
        return self._shrunk(near_qm, self._mean_p_m, n_qm).clip(0, 1)

    def _tokens(
        self, weight_qk: FloatArray, tokens_qkm: FloatArray, say_q1: FloatArray
    ) -> FloatArray:
        n_qm = say_q1 * effective_sample_size(weight_qk, tokens_qkm)
        near = [
            weighted_means(weight_qk, tokens_qkm),
            *weighted_quantiles(weight_qk, tokens_qkm, TOKEN_QUANTILES),
        ]
        overall = [self._mean_tokens_m, *self._spread_m]
        return np.stack([self._shrunk(*pair, n_qm) for pair in zip(near, overall, strict=True)])
