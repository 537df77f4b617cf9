import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope import Choices
from scope.routing.metrics import GroundTruth, ScoreAccumulator, score
from tests.factories.banks import LARGE, SMALL, bank_of
from tests.factories.partitions import cut

NAN = float("nan")
OUTCOMES = st.sampled_from([0.0, 1.0, 0.25, 1 / 3, NAN])


def test_the_standard_error_is_that_of_a_mean():
    """
    75 right of 100: sqrt(.75 * .25 / 99).
    """
    got = score(np.array([1.0] * 75 + [0.0] * 25), np.full(100, 0.01))

    assert got.accuracy == 0.75
    assert got.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 99))
    assert got.usd_per_1k == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("correct", "n", "accuracy"),
    [
        pytest.param([], 0, NAN, id="no outcome"),
        pytest.param([NAN], 0, NAN, id="no known outcome"),
        pytest.param([1.0], 1, 1.0, id="one outcome"),
    ],
)
def test_too_few_outcomes_have_no_standard_error(correct, n, accuracy):
    """
    NaN, not 0.
    """
    got = score(np.array(correct), np.ones(len(correct)))

    assert got.n_questions == n
    np.testing.assert_equal(got.accuracy, accuracy)
    assert math.isnan(got.standard_error)


def test_ground_truth_prices_the_real_tokens():
    """
    10 prompt tokens and 100 completion tokens for the first anchor.
    """
    bank = bank_of([[1, 0], [0, np.nan]], models=(SMALL, LARGE))

    truth = GroundTruth.from_outcomes(bank.outcomes, bank.models)

    np.testing.assert_allclose(truth.cost_usd_qm[0], [21e-6, 1530e-6])
    assert np.isnan(truth.cost_usd_qm[1, 1])


def test_choices_are_scored_on_the_chosen_models():
    """
    A question without a choice or an outcome is not counted.
    """
    truth = GroundTruth(np.array([[1, 0], [0, 1], [1, 1], [NAN, 1]]), np.full((4, 2), 0.5))

    got = truth.score_choices(Choices(np.array([0, 1, -1, 0]), np.ones(4, bool)))

    assert (got.accuracy, got.n_questions, got.cost_usd) == (1.0, 2, 1.0)


def test_a_random_model_is_the_mean_of_those_that_ran():
    """
    .5 on the first question, 1 on the second, where only one model ran.
    """
    truth = GroundTruth(np.array([[1, 0], [1, NAN]]), np.array([[0.2, 0.4], [0.2, NAN]]))

    got = truth.score_random()

    assert got.accuracy == 0.75
    assert got.cost_usd == pytest.approx(0.5)


@given(st.lists(st.tuples(OUTCOMES, st.floats(0, 10)), max_size=30), st.data())
def test_scores_do_not_depend_on_the_portions(questions, data):
    """
    To the last bit.
    """
    correct, cost = np.array(questions, dtype=float).reshape(-1, 2).T
    tally = ScoreAccumulator()

    for rows in cut(data, len(questions)):
        tally.add(correct[rows], cost[rows])

    assert repr(tally.score()) == repr(score(correct, cost))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_the_standard_error_agrees_with_numpys(correct):
    """
    Up to rounding.
    """
    got = score(np.array(correct), np.zeros(len(correct))).standard_error

    expected = np.std(correct, ddof=1) / math.sqrt(len(correct))
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-8)
