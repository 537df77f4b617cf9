"""Cross-validated gain of reasoner answers over the anchor estimates alone."""

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
    """Log loss of the anchor estimates alone and blended with the answers, nats; lower is better.

    Attributes
    ----------
    n_questions, n_predictions : int
        Those with both an answer and an outcome.
    anchors, blended : float
    standard_error : float
        Of the difference, over questions. NaN if there is no answer.
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
        """Evaluate the blend by cross-validation on the questions it is fitted on.

        Parameters
        ----------
        estimates : Estimates
            From the anchors; of a question that is an anchor, without itself.
        answers : ReasonerPredictions
        outcomes : Outcomes
            On the same questions.
        models : sequence of ModelSpec
            In the order of the columns.
        """
        known_qm = ~np.isnan(answers.p_yes_qm + outcomes.correct_am + estimates.p_correct_qm)
        blended_qm = estimates.p_correct_qm.copy()
        for fold in range(N_FOLDS):
            fold_q = np.arange(len(blended_qm)) % N_FOLDS == fold
            blended_qm[fold_q] = _out_of_fold(estimates, answers, outcomes, models, fold_q)
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
        """Return all values; unknown ones are null."""
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
    fold_q: BoolArray,
) -> FloatArray:
    """Return the estimates of the questions in a fold by a blend fitted on the others."""
    blend = fit_blend(
        estimates.p_correct_qm[~fold_q],
        estimates.completion_tokens_qm[~fold_q],
        _select_questions(answers, ~fold_q),
        outcomes.correct_am[~fold_q],
        outcomes.completion_tokens_am[~fold_q],
    )
    in_fold = estimates.select_questions(fold_q)
    return blend.apply(in_fold, _select_questions(answers, fold_q), models).p_correct_qm


def _select_questions(answers: ReasonerPredictions, chosen_q: BoolArray) -> ReasonerPredictions:
    return ReasonerPredictions(answers.p_yes_qm[chosen_q], answers.tokens_qm[chosen_q])
