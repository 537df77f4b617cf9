import numpy as np
import pytest

from scope.errors import EvaluationError
from scope.saving.match_forecast import match_forecast
from tests.factories.banks import predictions_of


def estimates_of(p_qm, cost_qm):
    """Estimates of a learned router."""
    return predictions_of(p_qm, cost_qm).estimates


def test_arms_are_spread_over_the_models_of_the_bank():
    """
    A model that the router does not know has no forecast.
    """
    estimates = estimates_of([[0.7, 1.0]], [[1.0, 9.0]])

    got = match_forecast("r", ("small", "large"), estimates, ("large", "other", "small"), "large")

    np.testing.assert_array_equal(got.p_match_qm, [[1.0, np.nan, 0.7]])
    np.testing.assert_array_equal(got.cost_usd_qm, [[9.0, np.nan, 1.0]])


def test_a_text_that_cannot_be_read_goes_to_the_reference():
    """
    At the mean cost of the reference on the other questions.
    """
    estimates = estimates_of([[0.7, 1.0], [np.nan, np.nan]], [[1.0, 9.0], [np.nan, np.nan]])

    got = match_forecast("r", ("small", "large"), estimates, ("small", "large"), "large")

    np.testing.assert_array_equal(got.p_match_qm, [[0.7, 1.0], [np.nan, 1.0]])
    np.testing.assert_array_equal(got.cost_usd_qm, [[1.0, 9.0], [np.nan, 9.0]])


@pytest.mark.parametrize(
    ("arms", "reference", "message"),
    [
        pytest.param(
            ("small", "large"), "small", "'r' is relative to 'large', the comparison", id="other"
        ),
        pytest.param(
            ("small@5", "large"), "large", "may choose small@5, which the labelled", id="arm"
        ),
    ],
)
def test_a_router_that_cannot_be_judged_is_refused(arms, reference, message):
    """
    Outcomes are never invented.
    """
    with pytest.raises(EvaluationError, match=message):
        match_forecast(
            "r", arms, estimates_of([[0.7, 1.0]], [[1.0, 9.0]]), ("small", "large"), reference
        )


def test_a_classifier_is_refused():
    """
    Its probability of the reference is not 1: there is no threshold to sweep.
    """
    estimates = estimates_of([[0.7, 0.3]], [[1.0, 9.0]])

    with pytest.raises(EvaluationError, match="predicts which arm is best"):
        match_forecast("r", ("small", "large"), estimates, ("small", "large"), "large")
