"""Forecasts of correctness and token counts, before prices."""

from dataclasses import dataclass

from scope.arrays import FloatArray, IntArray

TOKEN_QUANTILES = (0.1, 0.9)
"""Levels of the quantiles of tokens and cost."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of every model's correctness and completion tokens on some questions.

    Attributes
    ----------
    p_correct_qm : ndarray of shape (n_questions, n_models)
        Within [0, 1]; NaN for a model never measured.
    tokens_uqm : ndarray of shape (3, n_questions, n_models)
        Completion tokens: mean, 10th and 90th percentile.
    in_distribution_q : ndarray of shape (n_questions,)
        Weight of this forecast against the kNN estimate, in [0, 1]; 1 is in distribution.
        NaN where unknown.
    """

    p_correct_qm: FloatArray
    tokens_uqm: FloatArray
    in_distribution_q: FloatArray

    def blend_out_of_distribution(self, others: "Forecast", rows: IntArray) -> "Forecast":
        """Return the forecast with out-of-distribution questions blended with another forecast.

        Parameters
        ----------
        others : Forecast
            Of the questions at `rows` only, in that order; its weight is ``1 - in_distribution_q``.
        rows : ndarray of shape (n_rows,)
        """
        weight_q1 = self.in_distribution_q[rows, None]
        p_qm, tokens_uqm = self.p_correct_qm.copy(), self.tokens_uqm.copy()
        for ours, theirs in (
            (p_qm[None], others.p_correct_qm[None]),
            (tokens_uqm, others.tokens_uqm),
        ):
            ours[:, rows] = weight_q1 * ours[:, rows] + (1 - weight_q1) * theirs
        return Forecast(p_qm, tokens_uqm, self.in_distribution_q)

    def with_rows(self, others: "Forecast", rows: IntArray) -> "Forecast":
        """Return the forecast with some questions replaced by `others`, in the order of `rows`."""
        p_qm, tokens_uqm = self.p_correct_qm.copy(), self.tokens_uqm.copy()
        in_distribution_q = self.in_distribution_q.copy()
        p_qm[rows], tokens_uqm[:, rows] = others.p_correct_qm, others.tokens_uqm
        in_distribution_q[rows] = others.in_distribution_q
        return Forecast(p_qm, tokens_uqm, in_distribution_q)
