"""Reasoners on labelled questions, beside the anchors alone: forecasts and routing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scope.arrays import FloatArray
from scope.bank import Bank, ReferencePopulation, fit_alpha_scale
from scope.evaluation import (
    AnswerQuality,
    EvaluationSet,
    Interval,
    bootstrap_weights,
    choices_at,
    select_questions,
)
from scope.predictions import Predictions
from scope.predictor import predict_reference_population

ANCHORS = "anchors alone"
PER_1K = 1_000


@dataclass(frozen=True, slots=True)
class ReasonedPredictions:
    """Predictions of the test set, after the answers of one reasoner.

    Attributes
    ----------
    name : str
    predictions : Predictions
        Of all questions of the test set in its order; columns are the models of the bank.
    p_yes_qm : ndarray of shape (n_questions, n_models)
        The reasoner's own probabilities; NaN where it did not answer.
    reference : ReferencePopulation or None
        Of the bank that was fitted for the reasoner, which sets the alpha scale.
    """

    name: str
    predictions: Predictions
    p_yes_qm: FloatArray
    reference: ReferencePopulation | None


@dataclass(frozen=True, slots=True)
class ReasonerComparison:
    """One row: the anchors alone, or with a reasoner.

    Attributes
    ----------
    name : str
    answers : AnswerQuality or None
        None for the anchors, and for a reasoner of weight 0, which was not queried.
    accuracy, usd_per_1k : Interval
        Of routing at the chosen alpha.
    accuracy_difference : Interval
        Minus that of the anchors on the same resamples.
    """

    name: str
    answers: AnswerQuality | None
    accuracy: Interval
    usd_per_1k: Interval
    accuracy_difference: Interval

    def to_json(self) -> dict[str, Any]:
        """Return all numbers; unknown is null."""
        return {
            "name": self.name,
            "answers": self.answers and self.answers.to_json(),
            "accuracy": self.accuracy.to_json(),
            "usd_per_1k": self.usd_per_1k.to_json(),
            "accuracy_difference": self.accuracy_difference.to_json(),
        }


def compare_reasoners(
    bank: Bank,
    anchors: Predictions,
    test_set: EvaluationSet,
    reasoners: Sequence[ReasonedPredictions],
    alpha: float,
    seed: int = 0,
) -> tuple[ReasonerComparison, ...]:
    """Return the anchors alone, then each reasoner.

    Parameters
    ----------
    bank : Bank
    anchors : Predictions
        Of the test set by the anchors of `bank`.
    test_set : EvaluationSet
    reasoners : sequence of ReasonedPredictions
    alpha : float
        At which routing is compared, in [0, 1].
    seed : int
        Of the bootstrap over questions.
    """
    kept_q = test_set.complete_q
    correct_qm, usd_qm = test_set.truth.correct_qm[kept_q], test_set.truth.cost_usd_qm[kept_q]
    unqueried_qm = np.full(anchors.estimates.p_correct_qm.shape, np.nan)
    reference = bank.reference or predict_reference_population(bank, bank.anchor_config)
    rows: list[ReasonerComparison] = []
    base_r: FloatArray | None = None
    with threadpool_limits(1):
        weight_rq = bootstrap_weights(len(correct_qm), seed)
        for run in (ReasonedPredictions(ANCHORS, anchors, unqueried_qm, reference), *reasoners):
            scale = fit_alpha_scale(run.reference or reference, bank.models)
            choices = choices_at(select_questions(run.predictions, kept_q), scale, alpha)
            accuracy_r = weight_rq @ choices.pick(correct_qm)
            base_r = accuracy_r if base_r is None else base_r
            rows.append(
                ReasonerComparison(
                    run.name,
                    _quality(run, anchors, test_set, seed),
                    Interval.from_replicates(accuracy_r),
                    Interval.from_replicates(PER_1K * (weight_rq @ choices.pick(usd_qm))),
                    Interval.from_replicates(accuracy_r - base_r),
                )
            )
    return tuple(rows)


def _quality(
    run: ReasonedPredictions, anchors: Predictions, test_set: EvaluationSet, seed: int
) -> AnswerQuality | None:
    if np.isnan(run.p_yes_qm).all():
        return None
    return AnswerQuality.from_forecasts(
        run.p_yes_qm,
        anchors.estimates.p_correct_qm,
        run.predictions.estimates.p_correct_qm,
        test_set.truth.correct_qm,
        anchors.models,
        seed,
    )
