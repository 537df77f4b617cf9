"""Cross-validated gain of reasoner answers over the anchor estimates alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.evaluation.forecast_quality import mean_auc
from scope.evaluation.reliability import ProbabilityScores, pointwise_log_loss
from scope.evaluation.weighted import WeightedPairs, auc
from scope.fusion import N_FOLDS, fit_blend
from scope.outcomes import Outcomes
from scope.pool import ModelSpec
from scope.predictions import Estimates
from scope.reasoner import ReasonerPredictions

SEED = 0
"""Of the bootstrap."""

UNKNOWN = Interval(np.nan, np.nan, np.nan)


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
    answers_auc, anchors_auc : Interval
        AUC of the answers, and of the anchor estimates on the same predictions: the mean over the
        models, so that it gives no credit for knowing which models are good.
    answers_pooled_auc, anchors_pooled_auc : Interval
        The same over all predictions together.
    """

    n_questions: int
    n_predictions: int
    anchors: float
    blended: float
    standard_error: float
    answers_auc: Interval = UNKNOWN
    anchors_auc: Interval = UNKNOWN
    answers_pooled_auc: Interval = UNKNOWN
    anchors_pooled_auc: Interval = UNKNOWN

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
        weight_rq = bootstrap_weights(len(known_qm), SEED)
        (answers_auc, answers_pooled), (anchors_auc, anchors_pooled) = (
            _aucs(np.where(known_qm, p_qm, np.nan), outcomes.correct_am, weight_rq)
            for p_qm in (answers.p_yes_qm, estimates.p_correct_qm)
        )
        return cls(
            len(gain_q),
            len(row_n),
            float(before_n.mean()),
            float(after_n.mean()),
            error,
            answers_auc,
            anchors_auc,
            answers_pooled,
            anchors_pooled,
        )

    def to_json(self) -> dict[str, Any]:
        """Return all values, an AUC with the ends of its interval; unknown ones are null."""
        values = {"anchors": self.anchors, "blended": self.blended, "error": self.standard_error}
        known = {name: None if np.isnan(value) else value for name, value in values.items()}
        aucs = {
            name: [None if np.isnan(x) else x for x in (at.value, at.low, at.high)]
            for name, at in (
                ("answers_auc", self.answers_auc),
                ("anchors_auc", self.anchors_auc),
                ("answers_pooled_auc", self.answers_pooled_auc),
                ("anchors_pooled_auc", self.anchors_pooled_auc),
            )
        }
        return {"questions": self.n_questions, "predictions": self.n_predictions, **known, **aucs}

    def __str__(self) -> str:
        gain = f"{self.anchors - self.blended:+.4f} ± {self.standard_error:.4f}"
        return (
            f"log loss {self.anchors:.4f} without, {self.blended:.4f} with it (gain {gain}); "
            f"AUC of its answers alone {self.answers_auc:.3f} within a model (anchors "
            f"{self.anchors_auc:.3f}), {self.answers_pooled_auc:.3f} over all models (anchors "
            f"{self.anchors_pooled_auc:.3f})"
        )


def _aucs(
    p_qm: FloatArray, correct_qm: FloatArray, weight_rq: FloatArray
) -> tuple[Interval, Interval]:
    """Return the mean AUC of the models, and that of all predictions together."""
    pooled = auc(WeightedPairs.from_forecasts(p_qm, correct_qm, weight_rq))
    columns = [
        ProbabilityScores.from_pairs(
            WeightedPairs.from_forecasts(p_qm[:, [m]], correct_qm[:, [m]], weight_rq)
        )
        for m in range(p_qm.shape[1])
        if not np.isnan(p_qm[:, m] + correct_qm[:, m]).all()
    ]
    return Interval.from_replicates(mean_auc(columns)), Interval.from_replicates(pooled)


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
