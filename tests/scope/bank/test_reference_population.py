from dataclasses import replace

import numpy as np
import pytest

from scope import AnchorConfig
from scope.bank.reference_population import ReferencePopulation, fit_alpha_scale
from tests.factories.banks import LARGE, SMALL, bank_of, bill_ratio_of

GRID = np.array([[0.2, 0.9], [0.6, 0.8]])
RATIO = bill_ratio_of(1.25)
POPULATION = ReferencePopulation(AnchorConfig(), GRID, GRID, GRID, RATIO)


@pytest.mark.parametrize(
    ("columns", "ratio"),
    [
        pytest.param([0, 1], RATIO, id="all models"),
        pytest.param([1, 0], RATIO, id="in another order"),
        pytest.param([1], None, id="a part of the pool"),
    ],
)
def test_the_ratio_of_the_bills_is_that_of_the_whole_pool(columns, ratio):
    """
    What a policy chooses from a part of it was not compared.
    """
    assert POPULATION.select_models(columns).bill_ratio == ratio


def test_the_alpha_scale_has_the_ratio_of_its_population():
    """
    So that a plan on the scale can use it.
    """
    assert fit_alpha_scale(POPULATION, (SMALL, LARGE)).bill_ratio == RATIO


@pytest.mark.parametrize(
    ("usd", "ratio"),
    [
        pytest.param(SMALL.usd_per_mtok_out, RATIO, id="the same prices"),
        pytest.param(0.7, None, id="other prices"),
    ],
)
def test_the_ratio_of_the_bills_is_that_of_the_prices_of_the_fit(usd, ratio):
    """
    Other prices give other choices.
    """
    bank = replace(bank_of([[1, 0], [0, 1]]), reference=POPULATION)

    priced = bank.with_prices((SMALL.model_copy(update={"usd_per_mtok_out": usd}), LARGE))

    assert priced.reference.bill_ratio == ratio
