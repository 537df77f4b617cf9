"""What a bank has learned from its own outcomes: correctness and length of every model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scope.arrays import Floats, Ints, Singles
from scope.foretold import Foretold
from scope.kernel import Kernel, traits
from scope.traits import Categories, Form, inputs

NEAREST = 10
"""Most similar anchors whose mean similarity says how familiar a question is."""

LEAST_P = 0.01
"""No forecast is surer than this, either way."""


@dataclass(frozen=True, slots=True)
class Head:
    """One outcome of every model, linear in similarities and categories.

    ``mean_m + similarity_qn @ weight_nm + posterior_qc @ category_cm``. A model whose
    mean is NaN was never measured, and stays NaN.
    """

    mean_m: Floats
    weight_nm: Floats
    category_cm: Floats

    def read(self, similarity_qn: Singles, posterior_qc: Singles) -> Floats:
        """Return the outcome of each question and model, (n_questions, n_models)."""
        # In double precision the place of a model in the pool moves no digit that counts.
        outcome_qm: Floats = similarity_qn.astype(np.float64) @ self.weight_nm
        outcome_qm += posterior_qc @ self.category_cm
        return self.mean_m + outcome_qm

    def columns(self, positions: Sequence[int]) -> "Head":
        """Return the head of some models, in the order of `positions`."""
        m = list(positions)
        return Head(self.mean_m[m], self.weight_nm[:, m], self.category_cm[:, m])


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Forecasts learned on a bank by `scope.fitting.fit_forecaster`; plain arrays.

    Attributes
    ----------
    form : Form
    categories : Categories
    kernel : Kernel
        Of the ``n`` anchors that were learned from.
    correct : Head
        Of the probability of a right answer.
    length : Head
        Of ``log(1 + completion tokens)``.
    factor_sm : ndarray of shape (3, n_models)
        Expected tokens, and the ends of their spread, over the exponential of `length`.
    familiar : float
        Mean similarity of the `NEAREST` anchors below which a question is a stranger.
    place_n : ndarray of shape (n_learned,)
        Positions in the bank of the anchors that were learned from, rising.
    posterior_nc : ndarray of shape (n_learned, n_categories)
        Their categories, each guessed without knowing its own.
    left_out_p_nm, left_out_length_nm : ndarray of shape (n_learned, n_models)
        What the two heads would say of each had it not been there.
    """

    form: Form
    categories: Categories
    kernel: Kernel
    correct: Head
    length: Head
    factor_sm: Floats
    familiar: float
    place_n: Ints
    posterior_nc: Singles
    left_out_p_nm: Floats
    left_out_length_nm: Floats

    def foretell(self, embedding_qd: Singles, features_qf: Floats, own_anchor_q: Ints) -> Foretold:
        """Foretell questions, each as if it came alone and were no anchor.

        Parameters
        ----------
        embedding_qd : ndarray of shape (n_questions, n_dimensions)
        features_qf : ndarray of shape (n_questions, n_features)
        own_anchor_q : ndarray of shape (n_questions,)
            Position in the bank of a question that is an anchor, else -1.
        """
        row_q = self._row_of(own_anchor_q)
        learned_q = row_q >= 0
        p_qm = self.left_out_p_nm[row_q]
        length_qm = self.left_out_length_nm[row_q]
        familiarity_q = np.ones(len(row_q))
        if not learned_q.all():
            new = self._unseen(embedding_qd[~learned_q], features_qf[~learned_q])
            p_qm[~learned_q], length_qm[~learned_q], familiarity_q[~learned_q] = new
        tokens_sqm = np.exp(length_qm) * self.factor_sm[:, None, :]
        return Foretold(p_qm.clip(LEAST_P, 1 - LEAST_P), tokens_sqm, familiarity_q)

    def columns(self, positions: Sequence[int]) -> "Forecaster":
        """Return the forecaster of some models, in the order of `positions`."""
        m = list(positions)
        return replace(
            self,
            correct=self.correct.columns(m),
            length=self.length.columns(m),
            factor_sm=self.factor_sm[:, m],
            left_out_p_nm=self.left_out_p_nm[:, m],
            left_out_length_nm=self.left_out_length_nm[:, m],
        )

    def _row_of(self, own_anchor_q: Ints) -> Ints:
        """Return where in `place_n` each question stands; -1 for one not learned from."""
        row_q = np.searchsorted(self.place_n, own_anchor_q).clip(max=len(self.place_n) - 1)
        return np.where(self.place_n[row_q] == own_anchor_q, row_q, -1)

    def _unseen(self, embedding_qd: Singles, features_qf: Floats) -> list[Floats]:
        """Return probability, log length and familiarity of questions that are no anchors."""
        form_qf = self.form.scaled(features_qf)
        # One by one: the last bits of a product depend on its shape, on most processors also on
        # the row within it, and a decision must not depend on who else asks.
        rows = [slice(q, q + 1) for q in range(len(embedding_qd))]
        parts = [self._alone(embedding_qd[row], form_qf[row]) for row in rows]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _alone(self, embedding_1d: Singles, form_1f: Singles) -> tuple[Floats, Floats, Floats]:
        posterior_1c = self.categories.posterior(inputs(embedding_1d, form_1f))
        similarity_1n = self.kernel.similarity(embedding_1d, traits(form_1f, posterior_1c))
        familiarity_1 = np.minimum(nearness(similarity_1n) / self.familiar, 1.0)
        p_1m, length_1m = (
            head.read(similarity_1n, posterior_1c) for head in (self.correct, self.length)
        )
        return p_1m, length_1m, familiarity_1


def nearness(similarity_qn: Singles) -> Floats:
    """Return the mean similarity of the `NEAREST` anchors, shape (n_questions,)."""
    n_near = min(NEAREST, similarity_qn.shape[1])
    nearest_qk = np.partition(similarity_qn, -n_near, axis=1)[:, -n_near:]
    # Sorted, for the sum of equal numbers in another order is another number.
    mean_q: Floats = np.sort(nearest_qk, axis=1).astype(np.float64).mean(axis=1)
    return mean_q
