import numpy as np
import pytest

from scope import AnchorConfig
from scope.forecast.forecast import Forecast
from scope.forecast.knn import KNNForecaster
from tests.factories.banks import bank_of

NEAR = np.ones((1, 10)), np.arange(10)[None]
"""Ten neighbours, each as near."""


def votes(correct_am, *, prior_strength=10.0, tokens=100.0):
    bank = bank_of(correct_am, tokens=tokens)
    return KNNForecaster(bank.outcomes, AnchorConfig(prior_strength=prior_strength))


@pytest.mark.parametrize(
    ("in_distribution", "expected"),
    [
        pytest.param(np.nan, 0.675, id="unknown: ten anchors, .6 each, beside ten at .75"),
        pytest.param(1.0, 0.675, id="familiar: the same"),
        pytest.param(0.5, 0.7, id="half: five anchors beside ten"),
        pytest.param(0.0, 0.75, id="a stranger: the mean of the bank alone"),
    ],
)
def test_neighbours_speak_as_far_as_a_question_is_familiar(in_distribution, expected):
    """
    Six of the ten near are right, and 15 of all 20; both models alike, so that the mean is .75.
    """
    right = [[1, 1]] * 6 + [[0, 0]] * 4 + [[1, 1]] * 9 + [[0, 0]]

    said = votes(right).predict(*NEAR, np.array([in_distribution]))

    np.testing.assert_allclose(said.p_correct_qm, [[expected] * 2])
    np.testing.assert_array_equal(said.in_distribution_q, [in_distribution])


def test_lengths_are_pulled_to_those_of_the_bank():
    """
    100 tokens near, 300 in the other half: (10 * 100 + 10 * 200) / 20, and for the
    percentiles half way from 100 to 100 and to 300.
    """
    tokens = np.repeat([100.0, 300.0], 10)[:, None]

    said = votes(np.ones((20, 2)), tokens=tokens).predict(*NEAR, np.array([np.nan]))

    np.testing.assert_allclose(said.tokens_uqm[:, 0, 0], [150, 100, 200])


def foretold(p, tokens, in_distribution_q):
    """The same for one model on every question."""
    n = len(in_distribution_q)
    return Forecast(
        np.full((n, 1), p), np.full((3, n, 1), tokens), np.array(in_distribution_q, dtype=float)
    )


def test_a_stranger_is_given_to_others_as_far_as_it_is_one():
    """
    A quarter familiar: .25 * .8 + .75 * .4 = .5 and .25 * 100 + .75 * 500 = 400.
    """
    ours, theirs = foretold(0.8, 100.0, [1, 0.25, 0]), foretold(0.4, 500.0, [0.25, 0])

    got = ours.blend_out_of_distribution(theirs, np.array([1, 2]))

    np.testing.assert_allclose(got.p_correct_qm[:, 0], [0.8, 0.5, 0.4])
    np.testing.assert_allclose(got.tokens_uqm[:, :, 0], [[100, 400, 500]] * 3)
    np.testing.assert_array_equal(got.in_distribution_q, [1, 0.25, 0])
    np.testing.assert_array_equal(ours.p_correct_qm[:, 0], [0.8] * 3)


def test_with_no_stranger_nobody_else_is_asked():
    """
    No row, no change.
    """
    ours = foretold(0.8, 100.0, [1, 1])

    got = ours.blend_out_of_distribution(foretold(0.4, 500.0, []), np.array([], dtype=np.int64))

    np.testing.assert_array_equal(got.p_correct_qm, ours.p_correct_qm)
    np.testing.assert_array_equal(got.tokens_uqm, ours.tokens_uqm)
