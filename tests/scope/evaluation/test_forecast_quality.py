import math

import numpy as np
import pytest

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.forecast_quality import ALL_MODELS, forecast_qualities
from scope.evaluation.test_set import EvaluationSet
from tests.factories.banks import labelled_pair, with_correct

MODELS = ("small", "large")


@pytest.fixture
def labelled():
    """Forty questions with two models."""
    return EvaluationSet.from_banks(*labelled_pair())


def measured(labelled, p_correct):
    weights = bootstrap_weights(len(labelled.ids), seed=0, n_replicates=100)
    return forecast_qualities(
        p_correct, MODELS, labelled, labelled.completion_tokens_qm + 7, weights
    )


def test_differences_are_paired(labelled):
    """
    The same forecasts under another name have a difference of 0 in every resample; worse
    forecasts have a significant difference.
    """
    rng = np.random.default_rng(0)
    good = 0.2 + 0.6 * labelled.truth.correct_qm + 0.1 * rng.random((40, 2))

    ours, same, poor = measured(labelled, {"ours": good, "same": good, "poor": 1 - good})

    for gap in (same.auc_difference, same.log_loss_difference, ours.auc_difference):
        assert (gap.low, gap.value, gap.high) == (0, 0, 0)
    assert poor.auc_difference.low > 0
    assert poor.log_loss_difference.high < 0
    expected = ours.pooled.log_loss.value - poor.pooled.log_loss.value
    assert poor.log_loss_difference.value == pytest.approx(expected)


def test_the_mean_auc_is_that_of_the_models(labelled):
    """
    Each model has the same weight.
    """
    p = np.random.default_rng(0).random((40, 2))

    (got,) = measured(labelled, {"ours": p})

    aucs = [metrics.auc.value for metrics in got.by_model.values()]
    assert got.mean_auc.value == pytest.approx(np.mean(aucs))
    assert list(got.by_model) == list(MODELS)


def test_all_cells_of_a_question_are_resampled_together():
    """
    Two models with equal outcomes carry the information of one: the pooled interval is
    as wide as that of either model, not narrower by a factor of sqrt(2).
    """
    bank, questions = labelled_pair()
    equal = np.repeat(questions.outcomes.correct_am[:, :1], 2, axis=1)
    labelled = EvaluationSet.from_banks(bank, with_correct(questions, equal))
    p = np.repeat(np.random.default_rng(0).random((40, 1)), 2, axis=1)

    (got,) = measured(labelled, {"ours": p})

    for metric in ("auc", "log_loss", "ece"):
        pooled, small = getattr(got.pooled, metric), getattr(got.by_model["small"], metric)
        np.testing.assert_allclose(
            [pooled.low, pooled.value, pooled.high], [small.low, small.value, small.high]
        )


def test_only_our_router_has_length_errors(labelled):
    """
    Seven tokens in every cell and every resample; a baseline does not predict lengths.
    """
    ours, other = measured(
        labelled, dict.fromkeys(("ours", "other"), labelled.truth.correct_qm / 2)
    )

    tokens = ours.lengths[ALL_MODELS].tokens
    assert (tokens.low, tokens.value, tokens.high) == (7, 7, 7)
    assert set(ours.lengths) == {ALL_MODELS, *MODELS}
    assert other.lengths == {}


def test_a_model_that_is_always_correct_is_not_in_the_mean_auc():
    """
    Its AUC is undefined in every resample.
    """
    bank, questions = labelled_pair()
    correct = questions.outcomes.correct_am.copy()
    correct[:, 1] = 1

    labelled = EvaluationSet.from_banks(bank, with_correct(questions, correct))
    (got,) = measured(labelled, {"ours": np.random.default_rng(0).random((40, 2))})

    assert math.isnan(got.by_model["large"].auc.low)
    assert got.mean_auc == got.by_model["small"].auc
