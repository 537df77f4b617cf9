from dataclasses import replace

import numpy as np
import pytest

from scope.policy import Choices
from scope.predictor.cross_validation import choose_forecast
from scope.predictor.reference_population import fit_bank
from scope.report.anchor_forecasts import AnchorForecasts
from scope.report.bill_ratio import ChosenCosts, fit_bill_ratio
from scope.routing.metrics import GroundTruth
from tests.factories.banks import two_kinds

pytestmark = pytest.mark.usefixtures("one_thread")

PLANNED = np.array([[1.0, 4.0], [1.0, 4.0], [1.0, 4.0]])
REAL = np.array([[2.0, 5.0], [0.0, 3.0], [1.0, 9.0]])


@pytest.mark.parametrize(
    ("model_q", "ratio", "error"),
    [
        pytest.param([0, 0, 0], 1.0, np.sqrt(2) / 3, id="2, 0 and 1 USD for 1 each"),
        pytest.param([0, 1, -1], 1.0, np.sqrt(2) / 5, id="2 and 3 USD for 5; one has no model"),
        pytest.param([-1, -1, 1], 2.25, 0.0, id="9 USD for 4"),
        pytest.param([-1, -1, -1], 1.0, 0.0, id="nothing is planned"),
    ],
)
def test_the_ratio_is_that_of_the_sums(model_q, ratio, error):
    """
    Real over planned; its error is the norm of what single questions deviate by, over the plan.
    """
    model_q = np.array(model_q)

    costs = ChosenCosts.from_choices(Choices(model_q, model_q >= 0), PLANNED, REAL)

    assert costs.ratio == pytest.approx(ratio)
    assert costs.standard_error == pytest.approx(error)


@pytest.fixture(scope="module")
def anchors():
    return AnchorForecasts.from_bank(choose_forecast(fit_bank(two_kinds(60))))


def test_real_costs_as_planned_give_ratios_of_1(anchors):
    """
    At every alpha, with an error of 0.
    """
    truth = GroundTruth(anchors.truth.correct_qm, anchors.cost_usd_qm)

    ratio = fit_bill_ratio(replace(anchors, truth=truth))

    np.testing.assert_allclose(ratio.ratios, 1.0)
    np.testing.assert_allclose(ratio.standard_errors, 0.0, atol=1e-12)
    assert ratio.n_anchors == 60


def test_real_costs_that_are_higher_are_shown(anchors):
    """
    Each real cost is one and a quarter of the planned one.
    """
    truth = GroundTruth(anchors.truth.correct_qm, 1.25 * anchors.cost_usd_qm)

    ratio = fit_bill_ratio(replace(anchors, truth=truth))

    np.testing.assert_allclose(ratio.shown, 1.25)


def test_the_end_of_the_scale_is_the_bill_of_the_cheapest_models(anchors):
    """
    At alpha 0 every anchor gets the model of the lowest forecast.
    """
    cheapest_q1 = anchors.cost_usd_qm.argmin(axis=1)[:, None]
    planned, real = (
        np.take_along_axis(usd_qm, cheapest_q1, axis=1).sum()
        for usd_qm in (anchors.cost_usd_qm, anchors.truth.cost_usd_qm)
    )

    assert fit_bill_ratio(anchors).ratios[0] == pytest.approx(real / planned)
