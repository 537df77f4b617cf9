"""The expected gain of a query before its answer is known."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from scope import ExpectedValue, MaxCost, MinQuality
from scope.fusion.value_of_information import UpdateStd, expected_value_of_information
from scope.policy.bounds import EstimateBounds

INF = float("inf")
WIDE = UpdateStd(1.0, 0.0)


def gain_of(policy, p, cost, update_std=WIDE, *, open_cost=False):
    """The expected gain of querying each model; probabilities can become anything in [0, 1]."""
    p_m, cost_m = np.array(p, dtype=float), np.array(cost, dtype=float)
    high = np.where(np.isnan(p_m), np.nan, 1.0)
    factor = 10.0 if open_cost else 1.0
    bounds = EstimateBounds(0 * high, high, cost_m / factor, cost_m * factor)
    queried = np.flatnonzero(~np.isnan(p_m + cost_m))
    return expected_value_of_information(policy, p_m, cost_m, bounds, update_std, queried)


def test_it_is_the_expected_gain_of_choosing_again():
    """
    .5 against a fixed .6: the integral of the probability above .6.
    """
    deviate = np.linspace(-6, 6, 20_001)
    lifted = np.maximum(expit(deviate) - 0.6, 0) @ norm.pdf(deviate) * (deviate[1] - deviate[0])

    (value, _) = gain_of(ExpectedValue(0.0), [0.5, 0.6], [1, 1])

    assert value == pytest.approx(lifted, rel=0.15)


def test_the_gain_falls_with_the_distance_to_the_best_model():
    """
    In probability, and in cost at equal probability.
    """
    behind = gain_of(ExpectedValue(0.0), [0.6, 0.59, 0.5, 0.4], [1, 1, 1, 1])
    expensive = gain_of(ExpectedValue(0.1), [0.6, 0.6, 0.6], [1, 1.5, 2])

    assert (np.diff(behind) < 0).all()
    assert (np.diff(expensive) < 0).all()


@pytest.mark.parametrize(
    "policy", [ExpectedValue(0.0), ExpectedValue(3.0), ExpectedValue(INF), MaxCost(2.0)], ids=str
)
def test_no_expected_gain_is_negative(policy):
    """
    The expected update of a probability is 0, and the current choice can be kept.
    """
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert gain_of(policy, rng.random(5), rng.random(5) * 3).min() > -1e-12


def test_where_only_cost_counts_only_lengths_have_a_gain():
    """
    In USD, with a standard deviation of .3 of the log cost.
    """
    policy, p, cost = ExpectedValue(INF), [0.5, 0.9], [1.0, 1.1]

    assert (gain_of(policy, p, cost) == 0).all()
    assert (gain_of(policy, p, cost, UpdateStd(1.0, 0.3), open_cost=True) > 0.02).all()


def test_under_min_quality_each_change_of_choice_counts_in_usd():
    """
    Target .6. The cheap model is at .5 and can save a USD; the other is at .9 and rarely fails.
    """
    cheap, expensive = gain_of(MinQuality(0.6), [0.5, 0.9], [1.0, 2.0])

    assert cheap == pytest.approx(0.3, abs=0.15)
    assert expensive < 0.2 * cheap


def test_under_max_cost_the_gain_is_in_correct_answers():
    """
    A model over the limit has no gain; the two others have.
    """
    value_m = gain_of(MaxCost(1.5), [0.5, 0.55, 0.5], [1.0, 1.0, 2.0])

    assert (value_m[:2] > 0.05).all()
    assert value_m[2] == 0


def test_a_model_without_known_estimates_changes_no_gain():
    """
    With or without it, the gains of the others are the same.
    """
    for policy in (ExpectedValue(1.0), MinQuality(0.6), MaxCost(1.5)):
        np.testing.assert_array_equal(
            gain_of(policy, [0.5, np.nan, 0.6], [1, 1, 1.2]), gain_of(policy, [0.5, 0.6], [1, 1.2])
        )


@pytest.mark.parametrize(
    ("policy", "query_cost"),
    [
        pytest.param(ExpectedValue(40.0), 0.0008, id="correct answers at the trade-off"),
        pytest.param(ExpectedValue(0.0), 0.0, id="nothing where cost does not count"),
        pytest.param(ExpectedValue(INF), 2e-5, id="USD where only cost counts"),
        pytest.param(MinQuality(0.6), 2e-5, id="USD under min_quality"),
        pytest.param(MaxCost(0.01), 0.002, id="a correct answer is worth the limit"),
        pytest.param(MaxCost(0.0), INF, id="a limit of 0 allows no query"),
    ],
)
def test_the_query_cost_has_the_unit_of_the_gain(policy, query_cost):
    """
    At $.00002 a query.
    """
    assert policy.query_cost(2e-5) == pytest.approx(query_cost)
