from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope import AlphaScale, ExpectedValue
from scope.errors import ConfigError
from tests.factories.banks import bill_ratio_of

RNG = np.random.default_rng(0)
COST = np.array([1e-4, 1e-3, 1e-2]) * RNG.lognormal(0, 0.5, (2000, 1))
P = np.clip(np.array([0.5, 0.65, 0.8]) + RNG.normal(0, 0.1, (2000, 3)), 0, 1)
SCALE = AlphaScale.fit(P, COST)


def mean_cost(alpha):
    return ExpectedValue(SCALE.trade_off(alpha)).choose(P, COST).pick(COST).mean()


def test_the_ends_are_cheapest_and_most_accurate():
    """
    alpha = 0 is lambda = inf, alpha = 1 is lambda = 0.
    """
    assert SCALE.trade_off(0) == np.inf
    assert SCALE.trade_off(1) == 0
    assert mean_cost(0) == COST.min(axis=1).mean()


def test_equal_steps_of_alpha_multiply_the_cost_by_equal_factors():
    """
    The cost at alpha = 0.5 is the geometric mean of the costs at the two ends.
    """
    np.testing.assert_allclose(mean_cost(0.5), np.sqrt(mean_cost(0) * mean_cost(1)), rtol=0.02)
    np.testing.assert_allclose(
        mean_cost(0.75) / mean_cost(0.5), mean_cost(0.5) / mean_cost(0.25), rtol=0.05
    )


@given(st.floats(0, 1), st.floats(0, 1))
def test_lambda_never_rises_with_alpha(one, other):
    """
    A higher alpha never demands more correct answers per USD.
    """
    low, high = sorted([one, other])

    assert SCALE.trade_off(low) >= SCALE.trade_off(high)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.555, 0.9, 1.0])
def test_a_trade_off_has_its_alpha_again(alpha):
    """
    The same alpha, or one with the same trade-off where the scale is flat.
    """
    trade_off = SCALE.trade_off(alpha)

    assert SCALE.trade_off(SCALE.alpha(trade_off)) == pytest.approx(trade_off)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha):
    """
    The error names the value and the range.
    """
    with pytest.raises(ConfigError, match=rf"alpha is {alpha}; expected a number within 0\.\.1"):
        SCALE.trade_off(alpha)


@pytest.mark.parametrize(
    ("p", "cost"),
    [
        pytest.param([[0.5]], [[0.1]], id="one model"),
        pytest.param([[0.5, 0.4]], [[0.1, 0.2]], id="one model beats all"),
        pytest.param([[np.nan]], [[np.nan]], id="no known estimates"),
        pytest.param([[0.5, 0.9]], [[0.0, 0.2]], id="a free model"),
    ],
)
def test_a_scale_can_be_fitted_to_any_pool(p, cost):
    """
    Where there is no choice, every lambda will do.
    """
    scale = AlphaScale.fit(np.array(p), np.array(cost))

    assert [scale.trade_off(a) >= 0 for a in (0, 0.001, 0.5, 0.999, 1)] == [True] * 5


def test_a_trade_off_has_the_ratio_of_its_alpha():
    """
    The ratio rises from 1 to 2 along the scale: 1.25 at alpha .25.
    """
    scale = replace(SCALE, bill_ratio=bill_ratio_of(*np.linspace(1, 2, 11)))
    alphas = [0.0, 0.25, 0.5, 1.0]

    by_trade_off = scale.bill_ratios(np.array([scale.trade_off(alpha) for alpha in alphas]))

    np.testing.assert_allclose(by_trade_off, [1.0, 1.25, 1.5, 2.0])
    np.testing.assert_allclose([scale.bill_ratio_at(alpha) for alpha in alphas], by_trade_off)


def test_without_a_curve_the_ratio_is_1():
    """
    As in a bank that was fitted before bills were compared.
    """
    assert SCALE.bill_ratio_at(0.3) == 1.0
    assert SCALE.bill_ratios(np.array([np.inf, 1.0, 0.0])).tolist() == [1.0] * 3
