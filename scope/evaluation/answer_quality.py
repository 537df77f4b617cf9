"""What a reasoner's answers are worth: alone, and blended with the anchors, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.errors import EvaluationError
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.evaluation.forecast_quality import mean_auc
from scope.evaluation.reliability import ProbabilityScores
from scope.evaluation.weighted import WeightedPairs
from scope.fusion import N_FOLDS, fit_blend
from scope.outcomes import Outcomes
from scope.pool import ModelSpec
from scope.predictions import Estimates
from scope.reasoner import ReasonerPredictions


@dataclass(frozen=True, slots=True)
class AnswerQuality:
    """Answers of a reasoner against outcomes that neither it nor the blend was fitted on.

    Attributes
    ----------
    n_questions, n_predictions : int
        Those with an answer and an outcome; all numbers are of these.
    auc : Interval
        Of P(yes) alone: mean of the AUCs of the models, so that knowing which models are good
        in general earns nothing.
    pooled_auc : Interval
        Of P(yes) alone over all (question, model) cells.
    anchors_auc, anchors_pooled_auc : Interval
        The same of the anchors' estimates.
    by_model : dict of str to Interval
        AUC of P(yes) alone; a model without an answer is left out.
    anchors, blended : Interval
        Log loss in nats, of the anchors' estimates and of the blend.
    difference : Interval
        Log loss of the blend minus that of the anchors on the same resamples of the questions;
        below 0 the answers help.
    """

    n_questions: int
    n_predictions: int
    auc: Interval
    pooled_auc: Interval
    anchors_auc: Interval
    anchors_pooled_auc: Interval
    by_model: dict[str, Interval]
    anchors: Interval
    blended: Interval
    difference: Interval

    @classmethod
    def cross_validated(
        cls,
        estimates: Estimates,
        answers: ReasonerPredictions,
        outcomes: Outcomes,
        models: Sequence[ModelSpec],
    ) -> "AnswerQuality":
        """Score each question with a blend that is fitted on the other folds.

        Parameters
        ----------
        estimates : Estimates
            From the anchors; of a question that is an anchor, without itself.
        answers : ReasonerPredictions
        outcomes : Outcomes
            On the same questions.
        models : sequence of ModelSpec
            In the order of the columns.

        Raises
        ------
        EvaluationError
            If no answer has a known outcome.
        """
        blended_qm = estimates.p_correct_qm.copy()
        for fold in range(N_FOLDS):
            fold_q = np.arange(len(blended_qm)) % N_FOLDS == fold
            blended_qm[fold_q] = _out_of_fold(estimates, answers, outcomes, models, fold_q)
        return cls.from_forecasts(
            answers.p_yes_qm,
            estimates.p_correct_qm,
            blended_qm,
            outcomes.correct_am,
            tuple(model.id for model in models),
        )

    @classmethod
    def from_forecasts(
        cls,
        p_yes_qm: FloatArray,
        anchors_qm: FloatArray,
        blended_qm: FloatArray,
        correct_qm: FloatArray,
        models: tuple[str, ...],
        seed: int = 0,
    ) -> "AnswerQuality":
        """Score answers, and the estimates without and with them.

        Parameters
        ----------
        p_yes_qm : ndarray of shape (n_questions, n_models)
            NaN where there is no answer.
        anchors_qm, blended_qm : ndarray of shape (n_questions, n_models)
            Probabilities of a correct answer.
        correct_qm : ndarray of shape (n_questions, n_models)
            Outcomes in [0, 1]; NaN unknown.
        models : tuple of str
        seed : int
            Of the bootstrap over questions.

        Raises
        ------
        EvaluationError
            If no answer has a known outcome.
        """
        known_qm = ~np.isnan(p_yes_qm + anchors_qm + blended_qm + correct_qm)
        used_q = known_qm.any(axis=1)
        if not used_q.any():
            raise EvaluationError("no answer of the reasoner has a known outcome")
        truth_qm = np.where(known_qm, correct_qm, np.nan)[used_q]
        weight_rq = bootstrap_weights(len(truth_qm), seed)
        before_r, after_r = (
            _scores(p_qm[used_q], truth_qm, weight_rq).log_loss_r
            for p_qm in (anchors_qm, blended_qm)
        )
        auc_r, pooled_r, by_model = auc_replicates(p_yes_qm[used_q], truth_qm, weight_rq)
        anchors_at = np.where(known_qm, anchors_qm, np.nan)[used_q]
        anchors_auc_r, anchors_pooled_r, _ = auc_replicates(anchors_at, truth_qm, weight_rq)
        return cls(
            int(used_q.sum()),
            int(known_qm.sum()),
            Interval.from_replicates(auc_r),
            Interval.from_replicates(pooled_r),
            Interval.from_replicates(anchors_auc_r),
            Interval.from_replicates(anchors_pooled_r),
            {models[m]: Interval.from_replicates(model_r) for m, model_r in by_model.items()},
            Interval.from_replicates(before_r),
            Interval.from_replicates(after_r),
            Interval.from_replicates(after_r - before_r),
        )

    def to_json(self) -> dict[str, Any]:
        """Return all values; unknown ones are null."""
        intervals = {
            "auc": self.auc,
            "pooled_auc": self.pooled_auc,
            "anchors_auc": self.anchors_auc,
            "anchors_pooled_auc": self.anchors_pooled_auc,
            "log_loss_anchors": self.anchors,
            "log_loss_blended": self.blended,
            "log_loss_difference": self.difference,
        }
        return {
            "questions": self.n_questions,
            "predictions": self.n_predictions,
            **{name: interval.to_json() for name, interval in intervals.items()},
            "auc_by_model": {name: interval.to_json() for name, interval in self.by_model.items()},
        }

    def __str__(self) -> str:
        return (
            f"AUC of its answers alone {self.auc:.3f} within a model, the anchors' "
            f"{self.anchors_auc:.3f}; over all models {self.pooled_auc:.3f} and "
            f"{self.anchors_pooled_auc:.3f}; log loss {self.anchors:.4f} without, "
            f"{self.blended:.4f} with it, difference {self.difference:+.4f}"
        )


def auc_replicates(
    p_yes_qm: FloatArray, correct_qm: FloatArray, weight_rq: FloatArray
) -> tuple[FloatArray, FloatArray, dict[int, FloatArray]]:
    """Return the AUC of answers in every resample of the questions.

    Returns
    -------
    within_r, pooled_r : ndarray of shape (n_replicates + 1,)
        Mean of the AUCs of the models, and the AUC over all cells.
    by_model : dict of int to ndarray of shape (n_replicates + 1,)
        By column; without models that no answer with an outcome is about.
    """
    known_m = ~np.isnan(p_yes_qm + correct_qm).all(axis=0)
    by_model = {
        m: _scores(p_yes_qm[:, [m]], correct_qm[:, [m]], weight_rq)
        for m in np.flatnonzero(known_m).tolist()
    }
    pooled_r = _scores(p_yes_qm, correct_qm, weight_rq).auc_r
    within_r = mean_auc(list(by_model.values()))
    return within_r, pooled_r, {m: scores.auc_r for m, scores in by_model.items()}


def _scores(p_qm: FloatArray, correct_qm: FloatArray, weight_rq: FloatArray) -> ProbabilityScores:
    cells = WeightedPairs.from_forecasts(p_qm, correct_qm, weight_rq)
    return ProbabilityScores.from_pairs(cells)


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
