import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope import AlphaScale, ExpectedValue
from scope.errors import ConfigError

RNG = np.random.default_rng(0)
COST = np.array([1e-4, 1e-3, 1e-2]) * RNG.lognormal(0, 0.5, (2000, 1))
P = np.clip(np.array([0.5, 0.65, 0.8]) + RNG.normal(0, 0.1, (2000, 3)), 0, 1)
DIAL = AlphaScale.fit(P, COST)


def bill(alpha):
    return ExpectedValue(DIAL.trade_off(alpha)).choose(P, COST).pick(COST).mean()


def test_the_ends_are_cheapest_and_likeliest():
    """
    alpha = 0 is lambda = inf, alpha = 1 is lambda = 0.
    """
    assert DIAL.trade_off(0) == np.inf
    assert DIAL.trade_off(1) == 0
    assert bill(0) == COST.min(axis=1).mean()


def test_equal_steps_multiply_the_bill_by_equal_factors():
    """
    Halfway up the dial costs the geometric mean of the two ends.
    """
    np.testing.assert_allclose(bill(0.5), np.sqrt(bill(0) * bill(1)), rtol=0.02)
    np.testing.assert_allclose(bill(0.75) / bill(0.5), bill(0.5) / bill(0.25), rtol=0.05)


@given(st.floats(0, 1), st.floats(0, 1))
def test_lambda_never_rises_with_alpha(one, other):
    """
    More accuracy is never bought at a harder price.
    """
    low, high = sorted([one, other])

    assert DIAL.trade_off(low) >= DIAL.trade_off(high)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.555, 0.9, 1.0])
def test_a_trade_off_has_its_alpha_again(alpha):
    """
    The same alpha, or one with the same trade-off where the scale is flat.
    """
    trade_off = DIAL.trade_off(alpha)

    assert DIAL.trade_off(DIAL.alpha(trade_off)) == pytest.approx(trade_off)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha):
    """
    With the value and what is allowed.
    """
    with pytest.raises(ConfigError, match=rf"alpha is {alpha}; expected a number within 0\.\.1"):
        DIAL.trade_off(alpha)


@pytest.mark.parametrize(
    ("p", "cost"),
    [
        pytest.param([[0.5]], [[0.1]], id="one model"),
        pytest.param([[0.5, 0.4]], [[0.1, 0.2]], id="one model beats all"),
        pytest.param([[np.nan]], [[np.nan]], id="nothing known"),
        pytest.param([[0.5, 0.9]], [[0.0, 0.2]], id="a free model"),
    ],
)
def test_a_dial_can_be_fitted_to_any_pool(p, cost):
    """
    Where there is nothing to choose, every setting is as good.
    """
    dial = AlphaScale.fit(np.array(p), np.array(cost))

    assert [dial.trade_off(a) >= 0 for a in (0, 0.001, 0.5, 0.999, 1)] == [True] * 5
