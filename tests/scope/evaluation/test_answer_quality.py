"""Worth of a reasoner's answers, alone and blended."""

import numpy as np
import pytest

from scope.errors import EvaluationError
from scope.evaluation.answer_quality import AnswerQuality
from scope.outcomes import Outcomes
from scope.reasoner.answers import ReasonerPredictions
from tests.factories.banks import LARGE, SMALL, predictions_of

N = 200
NAN = np.nan


def case(p_yes_of, seed=0):
    """Models of accuracy 1/2, anchors without information, and answers of the reasoner."""
    rng = np.random.default_rng(seed)
    correct_qm = (rng.random((N, 2)) < 0.5).astype(float)
    tokens_qm = np.full((N, 2), 100.0)
    estimates = predictions_of(np.full((N, 2), 0.5), np.ones((N, 2))).estimates
    outcomes = Outcomes(("small", "large"), correct_qm, tokens_qm, tokens_qm)
    answers = ReasonerPredictions(p_yes_of(rng, correct_qm), tokens_qm)
    return estimates, answers, outcomes, (SMALL, LARGE)


def test_informative_answers_have_a_significant_gain():
    """
    Correct in 4 of 5 cases: the log loss falls from log 2 towards the entropy of .8.
    """
    quality = AnswerQuality.cross_validated(
        *case(lambda rng, correct: np.where(rng.random((N, 2)) < 0.8, correct, 1 - correct))
    )

    assert quality.anchors.value == pytest.approx(np.log(2))
    assert quality.blended.value == pytest.approx(0.50, abs=0.06)
    assert quality.difference.high < 0
    assert quality.auc.low > 0.7
    assert (quality.n_questions, quality.n_predictions) == (N, 2 * N)


def test_uninformative_answers_have_no_gain():
    """
    Their weight is 0 in the folds, so that both losses are the same.
    """
    quality = AnswerQuality.cross_validated(*case(lambda rng, correct: rng.random((N, 2))))

    assert quality.difference.value == pytest.approx(0, abs=0.01)
    assert quality.auc.low < 0.5 < quality.auc.high


def test_no_answer_is_an_error():
    """
    There is nothing to score.
    """
    with pytest.raises(EvaluationError, match="no answer"):
        AnswerQuality.cross_validated(*case(lambda rng, correct: np.full((N, 2), NAN)))


def test_the_auc_within_a_model_gives_no_credit_for_knowing_the_models():
    """
    Each model has one answer for all questions, higher for the better model.
    """
    correct_qm = np.array([[1, 1], [0, 1], [0, 1], [0, 0]], dtype=float)
    p_qm = np.tile([0.25, 0.75], (4, 1))

    quality = AnswerQuality.from_forecasts(p_qm, p_qm, p_qm, correct_qm, ("small", "large"))

    assert quality.auc.value == 0.5
    assert quality.pooled_auc.value == 0.75  # (3 * 3 + 1 * 3 / 2 + 3 * 1 / 2) / (4 * 4)
    assert {name: of.value for name, of in quality.by_model.items()} == {"small": 0.5, "large": 0.5}


def test_cells_without_an_answer_or_an_outcome_do_not_count():
    """
    The loss of the anchors is of the same cells as the others: two of the six, -log 0.8 each.
    """
    p_yes_qm = np.array([[0.9, NAN], [0.2, 0.5], [NAN, NAN]])
    anchors_qm = np.array([[0.8, 0.01], [0.2, 0.01], [0.01, 0.01]])
    correct_qm = np.array([[1, 1], [0, NAN], [1, 1]])

    quality = AnswerQuality.from_forecasts(
        p_yes_qm, anchors_qm, np.full((3, 2), 0.5), correct_qm, ("small", "large")
    )

    assert (quality.n_questions, quality.n_predictions) == (2, 2)
    assert quality.anchors.value == pytest.approx(-np.log(0.8))
    assert quality.difference.value == pytest.approx(np.log(2) + np.log(0.8))
    assert list(quality.by_model) == ["small"]


def test_json_has_null_for_what_is_unknown():
    """
    With one class there is no AUC.
    """
    p_qm = np.array([[0.9], [0.8]])

    facts = AnswerQuality.from_forecasts(p_qm, p_qm, p_qm, np.ones((2, 1)), ("small",)).to_json()

    assert facts["auc"] == {"value": None, "low": None, "high": None}
    assert facts["log_loss_difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
