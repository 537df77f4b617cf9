"""What the nearest anchors say, drawn toward what the whole bank says."""

import numpy as np

from scope.arrays import Floats, Ints
from scope.config import AnchorConfig
from scope.evidence import (
    effective_anchors,
    model_means,
    overall_quantiles,
    weighted_means,
    weighted_quantiles,
)
from scope.foretold import SPREAD, Foretold
from scope.outcomes import Outcomes


class Votes:
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
        self._pseudo = config.pseudo_anchors
        self._mean_p_m = model_means(outcomes.correct_am, self._pseudo)
        self._mean_tokens_m = model_means(outcomes.completion_tokens_am, self._pseudo)
        self._spread_m = overall_quantiles(outcomes.completion_tokens_am, SPREAD)

    def foretell(self, weight_qk: Floats, anchor_qk: Ints, familiarity_q: Floats) -> Foretold:
        """Count the votes of the neighbours.

        Parameters
        ----------
        weight_qk, anchor_qk : ndarray of shape (n_questions, n_neighbours)
        familiarity_q : ndarray of shape (n_questions,)
            Share of its say that an anchor has on a question unlike all of them; NaN, where
            nobody knows, leaves it all. The rest goes to the models' means.
        """
        say_q1 = np.nan_to_num(familiarity_q, nan=1.0)[:, None]
        return Foretold(
            self._probability(weight_qk, self._outcomes.correct_am[anchor_qk], say_q1),
            self._tokens(weight_qk, self._outcomes.completion_tokens_am[anchor_qk], say_q1),
            familiarity_q,
        )

    def _shrunk(self, near_qm: Floats, overall_m: Floats, n_qm: Floats) -> Floats:
        heard_qm = np.where(n_qm > 0, near_qm, 0.0)
        shrunk_qm: Floats = (n_qm * heard_qm + self._pseudo * overall_m) / (n_qm + self._pseudo)
        return shrunk_qm

    def _probability(self, weight_qk: Floats, correct_qkm: Floats, say_q1: Floats) -> Floats:
        n_qm = say_q1 * effective_anchors(weight_qk, correct_qkm)
        near_qm = weighted_means(weight_qk, correct_qkm)
        return self._shrunk(near_qm, self._mean_p_m, n_qm).clip(0, 1)

    def _tokens(self, weight_qk: Floats, tokens_qkm: Floats, say_q1: Floats) -> Floats:
        n_qm = say_q1 * effective_anchors(weight_qk, tokens_qkm)
        near = [
            weighted_means(weight_qk, tokens_qkm),
            *weighted_quantiles(weight_qk, tokens_qkm, SPREAD),
        ]
        overall = [self._mean_tokens_m, *self._spread_m]
        return np.stack([self._shrunk(*pair, n_qm) for pair in zip(near, overall, strict=True)])
