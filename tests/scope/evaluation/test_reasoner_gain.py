"""Cross-validated gain of reasoner answers."""

import numpy as np
import pytest

from scope.evaluation.reasoner_gain import CrossValidatedGain
from scope.outcomes import Outcomes
from scope.reasoner.answers import ReasonerPredictions
from tests.factories.banks import LARGE, SMALL, predictions_of

N = 200


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
    gain = CrossValidatedGain.from_predictions(
        *case(lambda rng, correct: np.where(rng.random((N, 2)) < 0.8, correct, 1 - correct))
    )

    assert gain.anchors == pytest.approx(np.log(2))
    assert gain.blended == pytest.approx(0.50, abs=0.06)
    assert gain.anchors - gain.blended > 3 * gain.standard_error > 0
    assert (gain.n_questions, gain.n_predictions) == (N, 2 * N)


def test_the_auc_of_answers_is_that_of_the_answers_alone():
    """
    Right in 4 of 5 cases, and nothing else: 0.8, where the anchors' constant forecast has 0.5.
    """
    gain = CrossValidatedGain.from_predictions(
        *case(lambda rng, correct: np.where(rng.random((N, 2)) < 0.8, correct, 1 - correct))
    )

    for answers, anchors in (
        (gain.answers_auc, gain.anchors_auc),
        (gain.answers_pooled_auc, gain.anchors_pooled_auc),
    ):
        assert answers.value == pytest.approx(0.8, abs=0.05)
        assert answers.low > 0.7
        assert anchors.value == 0.5


def test_knowing_which_model_is_good_is_no_auc_within_a_model():
    """
    Answers that say yes of one model and no of the other.
    """
    estimates, answers, outcomes, models = case(lambda rng, correct: np.tile([0.8, 0.2], (N, 1)))
    rng = np.random.default_rng(1)
    correct_qm = (rng.random((N, 2)) < [0.8, 0.2]).astype(float)
    outcomes = Outcomes(outcomes.models, correct_qm, *[np.full((N, 2), 100.0)] * 2)

    gain = CrossValidatedGain.from_predictions(estimates, answers, outcomes, models)

    assert gain.answers_auc.value == 0.5
    assert gain.answers_pooled_auc.value == pytest.approx(0.8, abs=0.05)


def test_uninformative_answers_have_no_gain():
    """
    Each fold is predicted by a blend fitted on the others, so noise cannot gain.
    """
    gain = CrossValidatedGain.from_predictions(*case(lambda rng, correct: rng.random((N, 2))))

    assert gain.anchors - gain.blended <= 2 * gain.standard_error + 1e-12


def test_without_answers_the_gain_is_unknown():
    """
    Null in the JSON.
    """
    gain = CrossValidatedGain.from_predictions(*case(lambda rng, correct: np.full((N, 2), np.nan)))

    assert gain.to_json() == {
        "questions": 0,
        "predictions": 0,
        "anchors": None,
        "blended": None,
        "error": None,
        **dict.fromkeys(
            ("answers_auc", "anchors_auc", "answers_pooled_auc", "anchors_pooled_auc"), [None] * 3
        ),
    }
