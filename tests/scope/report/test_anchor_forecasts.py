from dataclasses import replace

import numpy as np
import pytest

from scope.predictor.cross_validation import choose_forecast
from scope.predictor.reference_population import fit_bank
from scope.report.anchor_forecasts import AnchorForecasts
from tests.factories.banks import LARGE, MIDDLE, SMALL, bank_of, two_kinds

pytestmark = pytest.mark.usefixtures("one_thread")


def forecasts_of(bank):
    """Of the bank, fitted and with the choice of its forecast."""
    return AnchorForecasts.from_bank(choose_forecast(fit_bank(bank)))


def test_anchors_with_all_outcomes_are_predicted():
    """
    Of 40 anchors two lack an outcome of one model; the third model was never measured.
    """
    bank = two_kinds(40, models=(SMALL, LARGE, MIDDLE))
    right = bank.outcomes.correct_am.copy()
    right[[3, 5], 0] = np.nan
    right[:, 2] = np.nan

    anchors = forecasts_of(replace(bank, outcomes=replace(bank.outcomes, correct_am=right)))

    assert anchors.columns.tolist() == [0, 1]
    assert anchors.p_correct_qm.shape == anchors.out_of_fold_p_qm.shape == (38, 2)
    np.testing.assert_array_equal(anchors.truth.correct_qm, np.delete(right, [3, 5], axis=0)[:, :2])
    assert np.isfinite(anchors.p_correct_qm + anchors.cost_usd_qm).all()


def test_a_bank_that_was_not_fitted_has_none():
    assert AnchorForecasts.from_bank(two_kinds(40)) is None


def test_too_few_complete_anchors_have_none():
    """
    Two models that share 19 of 40 anchors.
    """
    right = np.ones((40, 2))
    right[::3] = 0
    right[19:30, 0] = np.nan
    right[30:, 1] = np.nan

    assert forecasts_of(bank_of(right)) is None
