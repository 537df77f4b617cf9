import math

import numpy as np
import pytest

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.forecast_quality import ALL_MODELS, forecast_qualities
from scope.evaluation.test_set import EvaluationSet
from tests.factories.banks import labelled_pair, with_correct

MODELS = ("small", "large")


@pytest.fixture
def exam():
    """Forty questions with two models."""
    return EvaluationSet.from_banks(*labelled_pair())


def measured(exam, p_correct):
    weights = bootstrap_weights(len(exam.ids), seed=0, n_replicates=100)
    return forecast_qualities(p_correct, MODELS, exam, exam.completion_tokens_qm + 7, weights)


def test_differences_are_paired(exam):
    """
    The same forecasts under another name differ by nothing, in no resample; worse ones
    by more than either interval is wide.
    """
    rng = np.random.default_rng(0)
    good = 0.2 + 0.6 * exam.truth.correct_qm + 0.1 * rng.random((40, 2))

    ours, same, poor = measured(exam, {"ours": good, "same": good, "poor": 1 - good})

    for gap in (same.ours_minus_auc, same.ours_minus_log_loss, ours.ours_minus_auc):
        assert (gap.low, gap.value, gap.high) == (0, 0, 0)
    assert poor.ours_minus_auc.low > 0
    assert poor.ours_minus_log_loss.high < 0
    expected = ours.pooled.log_loss.value - poor.pooled.log_loss.value
    assert poor.ours_minus_log_loss.value == pytest.approx(expected)


def test_the_mean_auc_is_that_of_the_models(exam):
    """
    Each counts once; the pooled one is another number.
    """
    p = np.random.default_rng(0).random((40, 2))

    (got,) = measured(exam, {"ours": p})

    aucs = [one.auc.value for one in got.by_model.values()]
    assert got.mean_auc.value == pytest.approx(np.mean(aucs))
    assert list(got.by_model) == list(MODELS)


def test_all_cells_of_a_question_are_drawn_at_once():
    """
    Two models that are always right and wrong together tell no more than one: the
    interval of all cells is as wide as that of either, not narrower by a root of 2.
    """
    bank, questions = labelled_pair()
    twin = np.repeat(questions.outcomes.correct_am[:, :1], 2, axis=1)
    exam = EvaluationSet.from_banks(bank, with_correct(questions, twin))
    p = np.repeat(np.random.default_rng(0).random((40, 1)), 2, axis=1)

    (got,) = measured(exam, {"ours": p})

    for metric in ("auc", "brier", "log_loss", "ece"):
        pooled, one = getattr(got.pooled, metric), getattr(got.by_model["small"], metric)
        np.testing.assert_allclose(
            [pooled.low, pooled.value, pooled.high], [one.low, one.value, one.high]
        )


def test_lengths_are_ours_alone(exam):
    """
    Seven tokens off wherever you look, in every resample; a baseline foretells none.
    """
    ours, other = measured(exam, dict.fromkeys(("ours", "other"), exam.truth.correct_qm / 2))

    tokens = ours.lengths[ALL_MODELS].tokens
    assert (tokens.low, tokens.value, tokens.high) == (7, 7, 7)
    assert set(ours.lengths) == {ALL_MODELS, *MODELS}
    assert other.lengths == {}


def test_a_model_always_right_takes_no_part_in_the_mean():
    """
    It has no AUC in any resample.
    """
    bank, questions = labelled_pair()
    correct = questions.outcomes.correct_am.copy()
    correct[:, 1] = 1

    exam = EvaluationSet.from_banks(bank, with_correct(questions, correct))
    (got,) = measured(exam, {"ours": np.random.default_rng(0).random((40, 2))})

    assert math.isnan(got.by_model["large"].auc.low)
    assert got.mean_auc == got.by_model["small"].auc
