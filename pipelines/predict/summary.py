"""Counts of a prediction run, added up over its shards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.reasoner import ReasonerUsage
from scope.arrays import BoolArray, FloatArray


@dataclass(slots=True)
class PredictionSummary:
    """Counts of a prediction run."""

    n_questions: int
    n_out_of_distribution: int = 0
    n_failed: int = 0
    """Questions without a prediction because of an error; the next run retries them."""
    first_error: str | None = None
    n_missing_answers: int = 0
    """(Question, model) cells predicted by the anchors alone because the reasoner failed; the
    next run queries them again."""
    first_missing_answer: str | None = None
    usage: ReasonerUsage | None = None
    """Queries of the reasoner; None without one."""
    n_known: int | None = None
    """Questions predicted with a fact that the bank has learned; None: all were guessed."""

    @classmethod
    def from_shards(cls, shards: Iterable[Mapping[str, Any]]) -> "PredictionSummary":
        """Add up what `shard_summary` returned for every shard, in the order of the shards."""
        total = cls(0)
        for shard in shards:
            total.n_questions += shard["n_questions"]
            total.n_out_of_distribution += shard["n_out_of_distribution"]
            total.n_failed += shard["n_failed"]
            total.n_missing_answers += shard["n_missing_answers"]
            total.first_error = total.first_error or shard["first_error"]
            total.first_missing_answer = total.first_missing_answer or shard["first_missing_answer"]
        return total


def shard_summary(
    question_ids: Sequence[str],
    in_distribution_q: FloatArray,
    errors: Sequence[str],
    missing_qm: BoolArray | None = None,
) -> dict[str, Any]:
    """Return the counts of one shard as JSON, by the names of `PredictionSummary`.

    Parameters
    ----------
    question_ids : sequence of str
    in_distribution_q : ndarray of shape (n_questions,)
        Below 1 the question is out of distribution; NaN is unknown.
    errors : sequence of str
        Error of each question; empty if there is none.
    missing_qm : ndarray of shape (n_questions, n_models), optional
        Answers of the reasoner that failed; the errors of such questions tell of these.
    """
    error_q = np.array([bool(error) for error in errors])
    if missing_qm is None:
        missing_qm = np.zeros((len(errors), 1), dtype=np.bool_)
    missing_q = np.asarray(missing_qm.any(axis=1), dtype=np.bool_)

    def first(wanted_q: BoolArray) -> str | None:
        found = np.flatnonzero(wanted_q)
        return f"{question_ids[found[0]]!r}: {errors[found[0]]}" if found.size else None

    failed_q = error_q & ~missing_q
    return {
        "n_questions": len(question_ids),
        "n_out_of_distribution": int((in_distribution_q < 1).sum()),
        "n_failed": int(failed_q.sum()),
        "first_error": first(failed_q),
        "n_missing_answers": int(missing_qm.sum()),
        "first_missing_answer": first(missing_q),
    }
