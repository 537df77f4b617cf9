"""What is foretold of questions before prices: the common word of all ways to foretell."""

from dataclasses import dataclass

from scope.arrays import FloatArray, IntArray

TOKEN_QUANTILES = (0.1, 0.9)
"""Levels of the spread of tokens and cost."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Correctness and length of every model on some questions.

    Attributes
    ----------
    p_correct_qm : ndarray of shape (n_questions, n_models)
        Within [0, 1]; NaN for a model never measured.
    tokens_uqm : ndarray of shape (3, n_questions, n_models)
        Completion tokens: expected, and the 10th and 90th percentile.
    in_distribution_q : ndarray of shape (n_questions,)
        1 where the anchors speak for the question; the less below, the less they do.
        NaN where nobody measured it.
    """

    p_correct_qm: FloatArray
    tokens_uqm: FloatArray
    in_distribution_q: FloatArray

    def blend_out_of_distribution(self, others: "Forecast", rows: IntArray) -> "Forecast":
        """Return the same with some questions given to `others` as far as they are unfamiliar.

        Parameters
        ----------
        others : Forecast
            Of the questions at `rows` alone, in that order.
        rows : ndarray of shape (n_rows,)
        """
        share_q1 = self.in_distribution_q[rows, None]
        p_qm, tokens_uqm = self.p_correct_qm.copy(), self.tokens_uqm.copy()
        for ours, theirs in (
            (p_qm[None], others.p_correct_qm[None]),
            (tokens_uqm, others.tokens_uqm),
        ):
            ours[:, rows] = share_q1 * ours[:, rows] + (1 - share_q1) * theirs
        return Forecast(p_qm, tokens_uqm, self.in_distribution_q)
