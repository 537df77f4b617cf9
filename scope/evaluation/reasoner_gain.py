"""What answers were worth on questions that their blend was not fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.evaluation.reliability import pointwise_log_loss
from scope.fusion import N_FOLDS, fit_blend
from scope.outcomes import Outcomes
from scope.pool import ModelSpec
from scope.predictions import Estimates
from scope.reasoner import ReasonerPredictions


@dataclass(frozen=True, slots=True)
class CrossValidatedGain:
    """Log loss of the anchors alone and with the answers, nats a prediction; lower is better.

    Attributes
    ----------
    n_questions, n_predictions : int
        With an answer and an outcome.
    anchors, blended : float
    standard_error : float
        Of the difference, questions being drawn anew. NaN where nothing was answered.
    """

    n_questions: int
    n_predictions: int
    anchors: float
    blended: float
    standard_error: float

    @classmethod
    def from_predictions(
        cls,
        estimates: Estimates,
        answers: ReasonerPredictions,
        outcomes: Outcomes,
        models: Sequence[ModelSpec],
    ) -> "CrossValidatedGain":
        """Examine the blend on the questions it is fitted on, each left out in its turn.

        Parameters
        ----------
        estimates : Estimates
            What the anchors say, no question having a say in its own row.
        answers : ReasonerPredictions
        outcomes : Outcomes
            What really happened on the same questions.
        models : sequence of ModelSpec
            The columns.
        """
        known_qm = ~np.isnan(answers.p_yes_qm + outcomes.correct_am + estimates.p_correct_qm)
        blended_qm = estimates.p_correct_qm.copy()
        for fold in range(N_FOLDS):
            exam_q = np.arange(len(blended_qm)) % N_FOLDS == fold
            blended_qm[exam_q] = _out_of_fold(estimates, answers, outcomes, models, exam_q)
        before_n, after_n = (
            pointwise_log_loss(p_qm[known_qm], outcomes.correct_am[known_qm])
            for p_qm in (estimates.p_correct_qm, blended_qm)
        )
        row_n = np.nonzero(known_qm)[0]
        gain_q = np.bincount(row_n, before_n - after_n)[np.unique(row_n)]
        if not len(gain_q):
            return cls(0, 0, np.nan, np.nan, np.nan)
        error = float(np.sqrt(len(gain_q)) * gain_q.std(ddof=1) / len(row_n))
        return cls(len(gain_q), len(row_n), float(before_n.mean()), float(after_n.mean()), error)

    def to_json(self) -> dict[str, Any]:
        """Return all of it for a machine; null is unknown."""
        values = {"anchors": self.anchors, "blended": self.blended, "error": self.standard_error}
        known = {name: None if np.isnan(value) else value for name, value in values.items()}
        return {"questions": self.n_questions, "predictions": self.n_predictions, **known}

    def __str__(self) -> str:
        gain = f"{self.anchors - self.blended:+.4f} ± {self.standard_error:.4f}"
        return f"log loss {self.anchors:.4f} without, {self.blended:.4f} with it (gain {gain})"


def _out_of_fold(
    estimates: Estimates,
    answers: ReasonerPredictions,
    outcomes: Outcomes,
    models: Sequence[ModelSpec],
    exam_q: BoolArray,
) -> FloatArray:
    """Return what a blend fitted on the rest says of some questions."""
    blend = fit_blend(
        estimates.p_correct_qm[~exam_q],
        estimates.completion_tokens_qm[~exam_q],
        _select_questions(answers, ~exam_q),
        outcomes.correct_am[~exam_q],
        outcomes.completion_tokens_am[~exam_q],
    )
    exam = estimates.select_questions(exam_q)
    return blend.apply(exam, _select_questions(answers, exam_q), models).p_correct_qm


def _select_questions(answers: ReasonerPredictions, chosen_q: BoolArray) -> ReasonerPredictions:
    return ReasonerPredictions(answers.p_yes_qm[chosen_q], answers.tokens_qm[chosen_q])
