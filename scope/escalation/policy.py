"""Which model to ask first, and whether to ask a second one after its reply."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray, IntArray
from scope.escalation.reply_length import ReplyLengths


@dataclass(frozen=True, slots=True)
class Escalation:
    """Forecasts of questions, and what each reply would change.

    Attributes
    ----------
    p_qm, cost_usd_qm : ndarray of shape (n_questions, n_models)
        Forecasts before any reply; none is NaN.
    surprise_qm : ndarray of shape (n_questions, n_models)
        Of the recorded replies; read of the model that is asked first alone.
    lengths : ReplyLengths
    """

    p_qm: FloatArray
    cost_usd_qm: FloatArray
    surprise_qm: FloatArray
    lengths: ReplyLengths

    def choices(self, trade_off_t: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the first and the second model of each question at each trade-off.

        First is the model with the highest expected value of asking it and then doing the best
        thing: keep its answer, or ask the model of the highest ``p' - lambda * cost`` where that
        is above its own ``p'``. The first call is spent by then.

        Parameters
        ----------
        trade_off_t : ndarray of shape (n_trade_offs,)
            Finite lambdas, correct answers per USD.

        Returns
        -------
        first_qt, second_qt : ndarray of shape (n_questions, n_trade_offs)
            The second is the first again where its answer is kept.
        """
        value_mqt = np.stack(
            [self._value_of_asking(m, trade_off_t) for m in range(self.p_qm.shape[1])]
        )
        first_qt = value_mqt.argmax(axis=0)
        second_qt = first_qt.copy()
        for m in range(self.p_qm.shape[1]):
            after_qm = self.lengths.update(self.p_qm, m, self.surprise_qm[:, m])
            for t, trade_off in enumerate(trade_off_t):
                best_q = self._values_after(m, after_qm, trade_off).argmax(axis=1)
                second_qt[:, t] = np.where(first_qt[:, t] == m, best_q, second_qt[:, t])
        return first_qt, second_qt

    def _value_of_asking(self, model: int, trade_off_t: FloatArray) -> FloatArray:
        """Return the expected value of asking one model first, (n_questions, n_trade_offs)."""
        quantile_k = self.lengths.quantile_mk[model]
        value_qt = np.zeros((len(self.p_qm), len(trade_off_t)))
        for surprise in quantile_k:
            after_qm = self.lengths.update(self.p_qm, model, np.full(len(self.p_qm), surprise))
            for t, trade_off in enumerate(trade_off_t):
                value_qt[:, t] += self._values_after(model, after_qm, trade_off).max(axis=1)
        spent_qt = self.cost_usd_qm[:, [model]] * trade_off_t
        return value_qt / len(quantile_k) - spent_qt

    def _values_after(self, model: int, after_qm: FloatArray, trade_off: float) -> FloatArray:
        """Return the value of each answer once `model` has replied, whose own costs no more."""
        value_qm = after_qm - trade_off * self.cost_usd_qm
        value_qm[:, model] = after_qm[:, model]
        return value_qm
