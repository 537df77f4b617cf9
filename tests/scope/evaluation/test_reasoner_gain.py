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
    }
