"""What answers are worth on questions their blend was not fitted on."""

import numpy as np
import pytest

from scope.evaluation.reasoner_gain import CrossValidatedGain
from scope.outcomes import Outcomes
from scope.reasoner.answers import ReasonerPredictions
from tests.factories.banks import LARGE, SMALL, predictions_of

N = 200


def case(p_yes_of, seed=0):
    """Models right half of the time, of which the anchors know nothing; and answers."""
    rng = np.random.default_rng(seed)
    correct_qm = (rng.random((N, 2)) < 0.5).astype(float)
    tokens_qm = np.full((N, 2), 100.0)
    estimates = predictions_of(np.full((N, 2), 0.5), np.ones((N, 2))).estimates
    outcomes = Outcomes(("small", "large"), correct_qm, tokens_qm, tokens_qm)
    answers = ReasonerPredictions(p_yes_of(rng, correct_qm), tokens_qm)
    return estimates, answers, outcomes, (SMALL, LARGE)


def test_answers_that_tell_gain_more_than_their_error():
    """
    Right four times in five: the log loss falls from log 2 toward that of a coin so biased.
    """
    gain = CrossValidatedGain.from_predictions(
        *case(lambda rng, correct: np.where(rng.random((N, 2)) < 0.8, correct, 1 - correct))
    )

    assert gain.anchors == pytest.approx(np.log(2))
    assert gain.blended == pytest.approx(0.50, abs=0.06)
    assert gain.anchors - gain.blended > 3 * gain.standard_error > 0
    assert (gain.n_questions, gain.n_predictions) == (N, 2 * N)


def test_answers_that_tell_nothing_gain_nothing():
    """
    Each part is foretold by a blend that has never seen it: noise cannot look good.
    """
    gain = CrossValidatedGain.from_predictions(*case(lambda rng, correct: rng.random((N, 2))))

    assert gain.anchors - gain.blended <= 2 * gain.standard_error + 1e-12


def test_without_an_answer_nothing_is_known():
    """
    Null, for a machine.
    """
    gain = CrossValidatedGain.from_predictions(*case(lambda rng, correct: np.full((N, 2), np.nan)))

    assert gain.to_json() == {
        "questions": 0,
        "predictions": 0,
        "anchors": None,
        "blended": None,
        "error": None,
    }
