from dataclasses import replace

import numpy as np
import pytest

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.planned_cost import planned_vs_realised
from scope.evaluation.strategies import ResampledOutcomes
from scope.predictor.reference_population import predict_reference_population
from tests.factories.banks import bill_ratio_of, labelled_pair, predictions_of


def rows_at(bill_ratio):
    """Plans at a budget of 2.5 USD a question and at each alpha; forecasts are 1 and 3 USD."""
    bank, _ = labelled_pair()
    reference = predict_reference_population(bank, bank.anchor_config)
    bank = replace(bank, reference=replace(reference, bill_ratio=bill_ratio))
    predictions = predictions_of([[0.5, 0.9]] * 40, [[1.0, 3.0]] * 40, bank.model_ids)
    real_qm = 2 * predictions.estimates.cost_usd_qm
    outcomes = ResampledOutcomes.from_outcomes(
        np.ones((40, 2)), real_qm, bootstrap_weights(40, seed=0)
    )
    rows = planned_vs_realised(bank, predictions, outcomes, np.array([2.5]))
    return {row.name.split()[0] + row.name.split()[-1]: row for row in rows}


@pytest.mark.parametrize(
    ("bill_ratio", "planned_usd", "real_over_planned"),
    [
        pytest.param(None, 3_000, 2.0, id="the sum of the forecasts"),
        pytest.param(bill_ratio_of(2.0), 6_000, 1.0, id="as the anchors show it"),
    ],
)
def test_a_plan_has_the_ratio_of_the_bills(bill_ratio, planned_usd, real_over_planned):
    """
    At alpha 1 every question gets the model of 3 USD, which really costs 6.
    """
    row = rows_at(bill_ratio)["alpha1"]

    assert row.planned_usd_per_1k == planned_usd
    assert row.usd_per_1k.value == pytest.approx(6_000)
    assert row.cost_ratio.value == pytest.approx(real_over_planned)


def test_a_budget_is_kept_by_the_corrected_plan():
    """
    2.5 USD pay for one and a quarter of forecasts: an eighth of the questions go up by 2 USD.
    """
    row = rows_at(bill_ratio_of(2.0))["budget$2500"]

    assert (row.bill_ratio, row.planned_usd_per_1k) == (2.0, 2_500)
    assert row.usd_per_1k.value == pytest.approx(2_500)
