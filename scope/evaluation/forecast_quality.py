"""Quality of forecasts, over all models and for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scope.arrays import FloatArray
from scope.evaluation.bootstrap import Interval
from scope.evaluation.model_differences import difference_r2
from scope.evaluation.reliability import ProbabilityMetrics, ProbabilityScores
from scope.evaluation.test_set import EvaluationSet
from scope.evaluation.weighted import TokenCountError, WeightedPairs, safe_ratio

ALL_MODELS = "all models"


@dataclass(frozen=True, slots=True)
class ForecastQuality:
    """Forecasts of one router against every known outcome.

    Attributes
    ----------
    name : str
    mean_auc : Interval
        Mean of the AUCs of the models, where defined; NaN if none is. Unlike the pooled
        AUC it gives no credit for knowing which models are good.
    ours_minus_auc, ours_minus_log_loss : Interval
        Mean AUC, and pooled log loss, of our router minus those of this one, on the same
        questions.
    difference_r2 : Interval
        Share of the variance of model differences that the forecasts explain, see
        `scope.evaluation.model_differences.difference_r2`.
    pooled : ProbabilityMetrics
        Over all (question, model) cells.
    by_model : dict of str to ProbabilityMetrics
    lengths : dict of str to TokenCountError
        Error of the completion tokens by model, over all under `ALL_MODELS`; empty for a
        baseline, which does not predict them.
    """

    name: str
    mean_auc: Interval
    auc_difference: Interval
    log_loss_difference: Interval
    difference_r2: Interval
    pooled: ProbabilityMetrics
    by_model: dict[str, ProbabilityMetrics]
    lengths: dict[str, TokenCountError]


def forecast_qualities(
    p_correct: Mapping[str, FloatArray],
    models: tuple[str, ...],
    test_set: EvaluationSet,
    tokens_qm: FloatArray,
    weight_rq: FloatArray,
) -> tuple[ForecastQuality, ...]:
    """Measure the forecasts of every router on the same resamples.

    Parameters
    ----------
    p_correct : mapping of str to ndarray of shape (n_questions, n_models)
        By router, ours first, for every question of the test set; NaN is left out.
    models : tuple of str
    test_set : EvaluationSet
    tokens_qm : ndarray of shape (n_questions, n_models)
        Completion tokens predicted by our router.
    weight_rq : ndarray of shape (n_replicates + 1, n_questions)
        Of all questions of the test set, as returned by
        `scope.evaluation.bootstrap.bootstrap_weights`.
    """
    correct_qm = test_set.truth.correct_qm
    drawn = [
        {
            at: ProbabilityScores.from_pairs(cells)
            for at, cells in _cells(models, p_qm, correct_qm, weight_rq)
        }
        for p_qm in p_correct.values()
    ]
    lengths = _cells(models, tokens_qm, test_set.completion_tokens_qm, weight_rq)
    errors = {at: TokenCountError.from_pairs(cells) for at, cells in lengths}
    return tuple(
        _quality(
            name,
            scores,
            drawn[0],
            difference_r2(p_qm, correct_qm, weight_rq),
            errors if scores is drawn[0] else {},
        )
        for (name, p_qm), scores in zip(p_correct.items(), drawn, strict=True)
    )


def _cells(
    models: tuple[str, ...], forecast_qm: FloatArray, outcome_qm: FloatArray, weight_rq: FloatArray
) -> Iterator[tuple[str, WeightedPairs]]:
    """Yield the (question, model) cells of all models together, then of each."""
    yield ALL_MODELS, WeightedPairs.from_forecasts(forecast_qm, outcome_qm, weight_rq)
    for m, model in enumerate(models):
        yield (
            model,
            WeightedPairs.from_forecasts(forecast_qm[:, [m]], outcome_qm[:, [m]], weight_rq),
        )


def _quality(
    name: str,
    scores: dict[str, ProbabilityScores],
    ours: dict[str, ProbabilityScores],
    difference_r2_r: FloatArray,
    lengths: dict[str, TokenCountError],
) -> ForecastQuality:
    mean_auc_r, our_mean_auc_r = (mean_auc(_of_models(of)) for of in (scores, ours))
    loss_r, our_loss_r = (of[ALL_MODELS].log_loss_r for of in (scores, ours))
    reliability = {at: ProbabilityMetrics.from_scores(score) for at, score in scores.items()}
    return ForecastQuality(
        name,
        Interval.from_replicates(mean_auc_r),
        Interval.from_replicates(our_mean_auc_r - mean_auc_r),
        Interval.from_replicates(our_loss_r - loss_r),
        Interval.from_replicates(difference_r2_r),
        reliability.pop(ALL_MODELS),
        reliability,
        lengths,
    )


def _of_models(scores: dict[str, ProbabilityScores]) -> list[ProbabilityScores]:
    return [score for at, score in scores.items() if at != ALL_MODELS]


def mean_auc(by_model: Sequence[ProbabilityScores]) -> FloatArray:
    """Average over the models with a defined AUC in a resample; NaN where there is none."""
    auc_rm = np.stack([scores.auc_r for scores in by_model], axis=1)
    defined_rm = ~np.isnan(auc_rm)
    return safe_ratio(np.where(defined_rm, auc_rm, 0.0).sum(axis=1), defined_rm.sum(axis=1))
