"""What a perfect reading of the questions could know, by questions with a near duplicate."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import Float32Array, FloatArray, IntArray
from scope.bank import Bank
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.evaluation.model_differences import difference_correlation, difference_r2
from scope.evaluation.test_set import EvaluationSet

MIN_COSINE = 0.9
"""Of a question and an anchor that count as near duplicates."""
MIN_DUPLICATES = 30
"""Fewer give intervals without meaning."""
BLOCK = 256
"""Questions whose similarities to all anchors are in memory at a time."""


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Questions whose nearest anchor is nearly the same, and what its outcomes tell of theirs.

    Two questions that no representation can tell apart share what can be known of them; the
    rest of their outcomes is chance. So the correlation of their outcomes is the R² that the
    best possible forecast would have, as reliability is measured by a second test. Questions
    and models are centred as in `difference_r2`.

    Attributes
    ----------
    n_questions, n_duplicates : int
        All questions, and those with a cosine of at least `MIN_COSINE` to an anchor.
    ceiling, ours : Interval or None
        R² of model differences, on the near duplicates: of the best possible forecast, and of
        ours. None if there are fewer than `MIN_DUPLICATES`.

    Notes
    -----
    Not the whole truth: near duplicates are not equal, which lowers the ceiling; the same
    mistake may be made twice in the same words, which raises it; and questions that have a near
    duplicate may be of another kind than those that have none.
    """

    n_questions: int
    n_duplicates: int
    ceiling: Interval | None
    ours: Interval | None

    def __str__(self) -> str:
        near = (
            f"{self.n_duplicates:,} of {self.n_questions:,} questions have a near duplicate among "
            f"the anchors (cosine of at least {MIN_COSINE})"
        )
        if self.ceiling is None:
            return f"{near}: not enough to estimate a ceiling, {MIN_DUPLICATES} are needed"
        return (
            f"{near}: its outcomes put the ceiling of R² between models at {self.ceiling:.3f} "
            f"there, our forecasts have {self.ours:.3f}"
        )


def near_duplicates(
    bank: Bank, test_set: EvaluationSet, p_correct_qm: FloatArray, seed: int
) -> NearDuplicates:
    """Compare every question with its nearest anchor, where the two are nearly the same.

    Parameters
    ----------
    bank : Bank
    test_set : EvaluationSet
        Questions for that bank.
    p_correct_qm : ndarray of shape (n_questions, n_models)
        Our forecasts of them.
    seed : int
        Of the bootstrap over the near duplicates.
    """
    anchor_q, cosine_q = nearest_anchors(test_set.embedding_qd, bank.embedding_ad)
    q = np.flatnonzero(cosine_q >= MIN_COSINE)
    if len(q) < MIN_DUPLICATES:
        return NearDuplicates(len(cosine_q), len(q), None, None)
    weight_rq = bootstrap_weights(len(q), seed)
    correct_qm, anchor_qm = test_set.truth.correct_qm[q], bank.outcomes.correct_am[anchor_q[q]]
    return NearDuplicates(
        len(cosine_q),
        len(q),
        Interval.from_replicates(difference_correlation(correct_qm, anchor_qm, weight_rq)),
        Interval.from_replicates(difference_r2(p_correct_qm[q], correct_qm, weight_rq)),
    )


def nearest_anchors(
    embedding_qd: Float32Array, anchor_ad: Float32Array
) -> tuple[IntArray, FloatArray]:
    """Return the nearest anchor of each question and its cosine similarity."""
    anchor_q = np.empty(len(embedding_qd), dtype=np.int64)
    cosine_q = np.empty(len(embedding_qd))
    for start in range(0, len(embedding_qd), BLOCK):
        block = slice(start, start + BLOCK)
        cosine_qa = embedding_qd[block] @ anchor_ad.T
        anchor_q[block], cosine_q[block] = cosine_qa.argmax(axis=1), cosine_qa.max(axis=1)
    return anchor_q, cosine_q
