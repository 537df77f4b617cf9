import numpy as np
import pytest

from scope import AnchorConfig
from scope.forecast.forecast import Forecast
from scope.forecast.knn import KNNForecaster
from tests.factories.banks import bank_of

NEAR = np.ones((1, 10)), np.arange(10)[None]
"""Ten neighbours of equal similarity."""


def knn(correct_am, *, prior_strength=10.0, tokens=100.0):
    bank = bank_of(correct_am, tokens=tokens)
    return KNNForecaster(bank.outcomes, AnchorConfig(prior_strength=prior_strength))


@pytest.mark.parametrize(
    ("in_distribution", "expected"),
    [
        pytest.param(np.nan, 0.675, id="unknown: ten anchors at .6 and ten at .75"),
        pytest.param(1.0, 0.675, id="in distribution: the same"),
        pytest.param(0.5, 0.7, id="half: five anchors and ten"),
        pytest.param(0.0, 0.75, id="out of distribution: the mean of the bank alone"),
    ],
)
def test_the_in_distribution_score_scales_the_weight_of_neighbours(in_distribution, expected):
    """
    Six of ten neighbours are correct, and 15 of all 20; both models are equal: mean .75.
    """
    right = [[1, 1]] * 6 + [[0, 0]] * 4 + [[1, 1]] * 9 + [[0, 0]]

    got = knn(right).predict(*NEAR, np.array([in_distribution]))

    np.testing.assert_allclose(got.p_correct_qm, [[expected] * 2])
    np.testing.assert_array_equal(got.in_distribution_q, [in_distribution])


def test_lengths_are_shrunk_toward_the_mean_of_the_bank():
    """
    Neighbforecast have 100 tokens, the others 300: (10 * 100 + 10 * 200) / 20; the percentiles
    are half way from 100 to 100 and to 300.
    """
    tokens = np.repeat([100.0, 300.0], 10)[:, None]

    got = knn(np.ones((20, 2)), tokens=tokens).predict(*NEAR, np.array([np.nan]))

    np.testing.assert_allclose(got.tokens_uqm[:, 0, 0], [150, 100, 200])


def forecast_of(p, tokens, in_distribution_q):
    """The same for one model on every question."""
    n = len(in_distribution_q)
    return Forecast(
        np.full((n, 1), p), np.full((3, n, 1), tokens), np.array(in_distribution_q, dtype=float)
    )


def test_out_of_distribution_questions_are_blended():
    """
    Score .25: .25 * .8 + .75 * .4 = .5 and .25 * 100 + .75 * 500 = 400.
    """
    forecast, other = forecast_of(0.8, 100.0, [1, 0.25, 0]), forecast_of(0.4, 500.0, [0.25, 0])

    got = forecast.blend_out_of_distribution(other, np.array([1, 2]))

    np.testing.assert_allclose(got.p_correct_qm[:, 0], [0.8, 0.5, 0.4])
    np.testing.assert_allclose(got.tokens_uqm[:, :, 0], [[100, 400, 500]] * 3)
    np.testing.assert_array_equal(got.in_distribution_q, [1, 0.25, 0])
    np.testing.assert_array_equal(forecast.p_correct_qm[:, 0], [0.8] * 3)


def test_without_out_of_distribution_questions_nothing_changes():
    """
    No row is blended.
    """
    forecast = forecast_of(0.8, 100.0, [1, 1])

    got = forecast.blend_out_of_distribution(
        forecast_of(0.4, 500.0, []), np.array([], dtype=np.int64)
    )

    np.testing.assert_array_equal(got.p_correct_qm, forecast.p_correct_qm)
    np.testing.assert_array_equal(got.tokens_uqm, forecast.tokens_uqm)
