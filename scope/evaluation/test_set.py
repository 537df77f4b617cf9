"""Labelled questions to evaluate a bank on: joined, checked, sorted."""

from dataclasses import dataclass

import numpy as np

from scope.arrays import BoolArray, Float32Array, FloatArray
from scope.bank import Bank, check_embedders
from scope.errors import EvaluationError
from scope.routing import GroundTruth

MIN_ANCHORS = 20
"""Fewer are not enough to fit a baseline."""
MIN_QUESTIONS = 30
"""Fewer give intervals without meaning."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Questions and the outcomes of every model of the bank, sorted by id.

    Attributes
    ----------
    ids : tuple of str
    prompts : tuple of str, or None
    categories : tuple of str
    embedding_qd : ndarray of shape (n_questions, n_dimensions)
    features_qf : ndarray of shape (n_questions, n_features)
    truth : GroundTruth
        Columns are the models of the bank, costs at its prices.
    completion_tokens_qm : ndarray of shape (n_questions, n_models)
    second_qy : ndarray of shape (n_questions, n_second_dimensions), or None
        Vectors of the second encoder of the bank; None where it predicts with one.
    """

    ids: tuple[str, ...]
    prompts: tuple[str, ...] | None
    categories: tuple[str, ...]
    embedding_qd: Float32Array
    features_qf: FloatArray
    truth: GroundTruth
    completion_tokens_qm: FloatArray
    second_qy: Float32Array | None = None

    @classmethod
    def from_banks(cls, bank: Bank, questions: Bank) -> "EvaluationSet":
        """Join labelled questions with the models of a bank.

        Parameters
        ----------
        bank : Bank
            Its models at its prices are evaluated.
        questions : Bank
            Labelled questions, none of them an anchor.

        Raises
        ------
        EvaluationError
            If there are too few anchors or questions, a model has no outcome, or a
            question is an anchor.
        EmbedderMismatchError
            If the two have different embedders, or the questions have no vectors of the second
            encoder that the bank predicts with.
        """
        second = None if questions.second is None else questions.second.embedder
        check_embedders(bank, questions.embedder, second)
        _check_min_size(len(bank.ids), MIN_ANCHORS, "anchors in the bank")
        _check_min_size(len(questions.ids), MIN_QUESTIONS, "labelled questions")
        outcomes = questions.outcomes.reindex(bank.model_ids, len(questions.ids))
        truth = GroundTruth.from_outcomes(outcomes, bank.models)
        _check_measured(
            GroundTruth.from_outcomes(bank.outcomes, bank.models), bank.model_ids, "the bank"
        )
        _check_measured(truth, bank.model_ids, "the labelled questions")
        _check_no_leakage(bank, questions)
        order = np.argsort(np.array(questions.ids))
        test_set = cls(
            tuple(questions.ids[q] for q in order),
            questions.prompts and tuple(questions.prompts[q] for q in order),
            tuple(questions.categories[q] for q in order),
            questions.embedding_ad[order],
            questions.features_af[order],
            GroundTruth(truth.correct_qm[order], truth.cost_usd_qm[order]),
            outcomes.completion_tokens_am[order],
            second_qy=None if bank.joint_forecaster is None else questions.second_vectors(order),
        )
        test_set.check_complete(bank.model_ids)
        return test_set

    @property
    def unknown_qm(self) -> BoolArray:
        """Cells without a known correctness or cost."""
        unknown_qm: BoolArray = np.isnan(self.truth.correct_qm + self.truth.cost_usd_qm)
        return unknown_qm

    @property
    def complete_q(self) -> BoolArray:
        """Questions with the outcomes of all models: routers are compared on these."""
        complete_q: BoolArray = ~np.any(self.unknown_qm, axis=1)
        return complete_q

    @property
    def complete_ids(self) -> tuple[str, ...]:
        """Ids of the questions of `complete_q`."""
        return tuple(self.ids[q] for q in np.flatnonzero(self.complete_q))

    def check_complete(self, models: tuple[str, ...]) -> None:
        """Raise `EvaluationError` if too few questions have the outcomes of all models."""
        n_complete = int(self.complete_q.sum())
        if n_complete < MIN_QUESTIONS:
            n_missing_m = self.unknown_qm.sum(axis=0)
            worst = int(n_missing_m.argmax())
            raise EvaluationError(
                f"only {n_complete} of {len(self.ids):,} labelled questions have an outcome and "
                f"token counts of every model, at least {MIN_QUESTIONS} are needed; "
                f"{models[worst]} lacks most, {n_missing_m[worst]:,}: name a --pool without it"
            )


def _check_min_size(n: int, needed: int, what: str) -> None:
    if n < needed:
        raise EvaluationError(f"{n} {what}; at least {needed} are needed")


def _check_measured(truth: GroundTruth, models: tuple[str, ...], where: str) -> None:
    for what, values_qm in (("outcome", truth.correct_qm), ("token counts", truth.cost_usd_qm)):
        for m in np.flatnonzero(np.isnan(values_qm).all(axis=0)):
            raise EvaluationError(
                f"model {models[m]!r} has no {what} in {where}; name a --pool without it"
            )


def _check_no_leakage(bank: Bank, questions: Bank) -> None:
    """Reject questions that are anchors, by id or as the same text under another id.

    The encoder reads only the beginning of a text: two long questions with a common
    beginning have the same embedding. Questions count as equal only if their text
    features are equal too.
    """
    if shared := sorted(set(bank.ids) & set(questions.ids)):
        raise EvaluationError(
            f"question {shared[0]!r} is itself an anchor, as are {len(shared) - 1:,} more: "
            "a test question must not be in the bank; keep the two apart"
        )
    anchor_of = dict(zip(_fingerprints(bank), bank.ids, strict=True))
    for question_id, fingerprint in zip(questions.ids, _fingerprints(questions), strict=True):
        if fingerprint in anchor_of:
            raise EvaluationError(
                f"question {question_id!r} is anchor {anchor_of[fingerprint]!r} under another id: "
                "its embedding and text features are the same; keep the two apart"
            )


def _fingerprints(bank: Bank) -> list[bytes]:
    # A saved bank has fewer digits than one that was never saved.
    rounded_ad = bank.embedding_ad.astype(np.float16)
    rows = zip(rounded_ad, bank.features_af, strict=True)
    return [vector.tobytes() + counts.tobytes() for vector, counts in rows]
