import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope.evaluation.model_differences import difference_r2, without_question_means

SUITED = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
"""Every question suits one of two models, each model half of them."""


def r2(forecast, outcome=SUITED, weight=None):
    n = len(outcome)
    weight = np.full((1, n), 1 / n) if weight is None else np.array([weight], dtype=float)
    return difference_r2(np.asarray(forecast, dtype=float), np.asarray(outcome), weight)[0]


@pytest.mark.parametrize(
    ("forecast", "expected"),
    [
        pytest.param(SUITED, 1, id="the outcomes themselves"),
        pytest.param(SUITED / 2 + 0.25, 0.75, id="half of every difference: 1 - (1/2)^2"),
        pytest.param(1 - SUITED, -3, id="every difference the wrong way round: 1 - 2^2"),
        pytest.param(np.full((4, 2), 0.5), 0, id="no differences"),
        pytest.param([[0.9, 0.7]] * 4, 0, id="only which model is better in general"),
        pytest.param([[0.9, 0.9], [0.1, 0.1]] * 2, 0, id="only how hard a question is"),
    ],
)
def test_only_differences_on_a_question_are_explained(forecast, expected):
    """
    Each outcome is ±1/2 from its question's mean, and each model's mean is 0.
    """
    assert r2(forecast) == pytest.approx(expected)


def test_unknown_cells_are_left_out():
    """
    The third question has one known model, the fourth an unknown forecast: the first two decide.
    """
    outcome, forecast = SUITED.copy(), SUITED / 2
    outcome[2, 1] = forecast[3, 0] = np.nan
    forecast[2, 0] = 77

    assert r2(forecast, outcome) == pytest.approx(0.75)


def test_equal_outcomes_have_no_differences_to_explain():
    """
    Every model is right on every question: NaN, not 0.
    """
    assert np.isnan(r2(SUITED, np.ones((4, 2))))


def test_a_resample_weighs_questions():
    """
    Perfect on the first two questions, the wrong way round on the others, which are not drawn.
    """
    forecast = np.vstack([SUITED[:2], 1 - SUITED[2:]])

    assert r2(forecast) == pytest.approx(-1)
    assert r2(forecast, weight=[0.5, 0.5, 0, 0]) == pytest.approx(1)


tables = arrays(float, (6, 3), elements=st.floats(0, 1, width=16))


@given(
    tables, arrays(float, 6, elements=st.floats(-1, 1)), arrays(float, 3, elements=st.floats(-1, 1))
)
def test_the_level_of_a_question_or_model_changes_nothing(forecast, hardness, skill):
    """
    Whatever is added to all models of a question, or to a model on all questions.
    """
    outcome = np.eye(6, 3)

    moved = forecast + hardness[:, None] + skill

    assert r2(moved, outcome) == pytest.approx(r2(forecast, outcome), abs=1e-9)


def test_question_means_are_over_the_models_that_both_know():
    """
    The mean of .9 and .5 is .7; the third model is unknown in the other array.
    """
    first, second = without_question_means(
        np.array([[0.9, 0.5, 0.1]]), np.array([[1.0, 0.0, np.nan]])
    )

    np.testing.assert_allclose(first, [[0.2, -0.2, np.nan]])
    np.testing.assert_allclose(second, [[0.5, -0.5, np.nan]])
