"""Every metric of a bank's routing and forecasts, in each resample of the questions."""

import numpy as np

from scope.arrays import FloatArray
from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.budget_curve import log_budgets
from scope.evaluation.forecast_quality import mean_auc
from scope.evaluation.held_out_choice import hash_folds
from scope.evaluation.model_differences import difference_r2
from scope.evaluation.reliability import ProbabilityScores
from scope.evaluation.strategies import LambdaSweep, Oracle, RandomMixtures, ResampledOutcomes
from scope.evaluation.test_set import EvaluationSet
from scope.evaluation.weighted import WeightedPairs, safe_ratio, weighted_medians
from scope.predictions import Predictions

HIGHER_IS_BETTER = {
    "area": True,
    "gain_over_mixture": True,
    "oracle_gap_closed": True,
    "accuracy": True,
    "difference_r2": True,
    "auc": True,
    "log_loss": False,
    "ece": False,
    "length_error": False,
}
"""The metrics by name, as `scope eval --floor` takes them."""


def metric_replicates(
    predictions: Predictions, test_set: EvaluationSet, seed: int
) -> dict[str, FloatArray]:
    """Return each metric on the sample, and in every resample after it.

    Two calls with the same test set and seed draw the same questions, so that their differences
    are paired.

    Parameters
    ----------
    predictions : Predictions
        For every question of the test set.
    test_set : EvaluationSet
    seed : int

    Returns
    -------
    dict of str to ndarray of shape (n_replicates + 1,)
        By the names of `HIGHER_IS_BETTER`; NaN where undefined.
    """
    return _of_routing(predictions, test_set, seed) | _of_forecasts(predictions, test_set, seed)


def _of_routing(
    predictions: Predictions, test_set: EvaluationSet, seed: int
) -> dict[str, FloatArray]:
    kept_q = test_set.complete_q
    correct_qm, usd_qm = test_set.truth.correct_qm[kept_q], test_set.truth.cost_usd_qm[kept_q]
    weight_rq = bootstrap_weights(len(correct_qm), seed)
    outcomes = ResampledOutcomes.from_outcomes(
        correct_qm, usd_qm, weight_rq, hash_folds(test_set.complete_ids)
    )
    estimates = predictions.estimates.select_questions(kept_q)
    budget_rb = log_budgets(outcomes.mean_usd_rm)
    no_limit_rb = np.full((len(budget_rb), 1), usd_qm.max() + 1)
    sweep = LambdaSweep(estimates.p_correct_qm, estimates.cost_usd_qm)
    area_r, mixture_r, oracle_r = (
        strategy.evaluate_at(outcomes, budget_rb).area_r()
        for strategy in (sweep, RandomMixtures(), Oracle())
    )
    return {
        "area": area_r,
        "gain_over_mixture": area_r - mixture_r,
        "oracle_gap_closed": safe_ratio(area_r - mixture_r, oracle_r - mixture_r),
        "accuracy": sweep.evaluate_at(outcomes, no_limit_rb).accuracy_rb[:, 0],
    }


def _of_forecasts(
    predictions: Predictions, test_set: EvaluationSet, seed: int
) -> dict[str, FloatArray]:
    weight_rq = bootstrap_weights(len(test_set.ids), seed)
    p_qm, correct_qm = predictions.estimates.p_correct_qm, test_set.truth.correct_qm
    pooled = ProbabilityScores.from_pairs(WeightedPairs.from_forecasts(p_qm, correct_qm, weight_rq))
    by_model = [
        ProbabilityScores.from_pairs(
            WeightedPairs.from_forecasts(p_qm[:, [m]], correct_qm[:, [m]], weight_rq)
        )
        for m in range(p_qm.shape[1])
    ]
    tokens = WeightedPairs.from_forecasts(
        predictions.estimates.completion_tokens_qm, test_set.completion_tokens_qm, weight_rq
    )
    relative_n = np.full_like(tokens.forecast_n, np.nan)
    error_n = np.abs(tokens.forecast_n - tokens.outcome_n)
    np.divide(error_n, tokens.outcome_n, out=relative_n, where=tokens.outcome_n > 0)
    return {
        "difference_r2": difference_r2(p_qm, correct_qm, weight_rq),
        "auc": mean_auc(by_model),
        "log_loss": pooled.log_loss_r,
        "ece": np.abs(pooled.gap_rb).sum(axis=1),
        "length_error": weighted_medians(tokens, relative_n),
    }
