from dataclasses import replace

import numpy as np
import pytest

from scope.predictor.cross_validation import choose_forecast
from scope.predictor.reference_population import fit_bank
from scope.report.anchor_forecasts import AnchorForecasts
from scope.report.routing_gain import routing_gain
from tests.factories.banks import LARGE, MIDDLE, SMALL, bank_of, two_kinds, unit

pytestmark = pytest.mark.usefixtures("one_thread")


def gain_of(bank):
    """Whether routing pays on the bank, fitted and with the choice of its forecast."""
    return routing_gain(AnchorForecasts.from_bank(choose_forecast(fit_bank(bank))))


def test_routing_pays_where_the_cheap_model_is_right_on_one_kind():
    """
    The cheap model is right on nine of ten questions of maths, one of ten of law.
    """
    gain = gain_of(two_kinds(200))

    assert gain.pays
    assert gain.over_mix.low > 0
    assert str(gain).startswith("Routing pays on this bank: +")


def test_routing_does_not_pay_on_noise_and_one_model_is_named():
    """
    No question predicts an outcome, and all cost the same; the last model is right on nine of
    ten. Questions of different lengths could be routed by cost alone.
    """
    rng = np.random.default_rng(0)
    right = rng.random((100, 3)) < [0.3, 0.4, 0.9]
    bank = bank_of(
        right, models=(SMALL, MIDDLE, LARGE), embedding=unit(rng.standard_normal((100, 8)))
    )
    outcomes = replace(bank.outcomes, prompt_tokens_am=np.full((100, 3), 100.0))
    bank = replace(bank, outcomes=outcomes, features_af=np.ones_like(bank.features_af))

    gain = gain_of(bank)

    assert not gain.pays
    assert gain.model == LARGE.id
    assert f"use {LARGE.id} ({100 * right[:, 2].mean():.1f} % right" in str(gain)
