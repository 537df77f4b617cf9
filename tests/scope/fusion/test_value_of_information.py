"""What an answer is worth before it is given."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from scope import ExpectedValue, MaxCost, MinQuality
from scope.fusion.value_of_information import UpdateStd, expected_value_of_information
from scope.policy.bounds import EstimateBounds

INF = float("inf")
WIDE = UpdateStd(1.0, 0.0)


def worth(policy, p, cost, spread=WIDE, *, open_cost=False):
    """The value of asking each model, probabilities open from 0 to 1."""
    p_m, cost_m = np.array(p, dtype=float), np.array(cost, dtype=float)
    reach = np.where(np.isnan(p_m), np.nan, 1.0)
    factor = 10.0 if open_cost else 1.0
    box = EstimateBounds(0 * reach, reach, cost_m / factor, cost_m * factor)
    asked = np.flatnonzero(~np.isnan(p_m + cost_m))
    return expected_value_of_information(policy, p_m, cost_m, box, spread, asked)


def test_it_is_the_expected_gain_of_choosing_anew():
    """
    .5 against a sure .6: the integral of what the answer lifts above .6.
    """
    deviate = np.linspace(-6, 6, 20_001)
    lifted = np.maximum(expit(deviate) - 0.6, 0) @ norm.pdf(deviate) * (deviate[1] - deviate[0])

    (value, _) = worth(ExpectedValue(0.0), [0.5, 0.6], [1, 1])

    assert value == pytest.approx(lifted, rel=0.15)


def test_the_further_behind_the_less_it_is_worth():
    """
    And what is dear must be the likelier by so much more.
    """
    behind = worth(ExpectedValue(0.0), [0.6, 0.59, 0.5, 0.4], [1, 1, 1, 1])
    dear = worth(ExpectedValue(0.1), [0.6, 0.6, 0.6], [1, 1.5, 2])

    assert (np.diff(behind) < 0).all()
    assert (np.diff(dear) < 0).all()


@pytest.mark.parametrize(
    "policy", [ExpectedValue(0.0), ExpectedValue(3.0), ExpectedValue(INF), MaxCost(2.0)], ids=str
)
def test_no_answer_is_worth_less_than_nothing(policy):
    """
    It can be left unheeded. Nobody expects to be moved in a known direction.
    """
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert worth(policy, rng.random(5), rng.random(5) * 3).min() > -1e-12


def test_where_money_alone_counts_only_lengths_are_worth_asking():
    """
    In USD: .3 of the log cost is open.
    """
    policy, p, cost = ExpectedValue(INF), [0.5, 0.9], [1.0, 1.1]

    assert (worth(policy, p, cost) == 0).all()
    assert (worth(policy, p, cost, UpdateStd(1.0, 0.3), open_cost=True) > 0.02).all()


def test_for_a_quality_asked_for_each_change_counts_in_usd():
    """
    Target .6. The cheap one is at .5: it may save a USD. The dear one is at .9: it rarely fails.
    """
    cheap, dear = worth(MinQuality(0.6), [0.5, 0.9], [1.0, 2.0])

    assert cheap == pytest.approx(0.3, abs=0.15)
    assert dear < 0.2 * cheap


def test_under_a_ceiling_it_is_correct_answers():
    """
    Who is too dear is worth no question; the two others are worth one.
    """
    value_m = worth(MaxCost(1.5), [0.5, 0.55, 0.5], [1.0, 1.0, 2.0])

    assert (value_m[:2] > 0.05).all()
    assert value_m[2] == 0


def test_an_unknown_model_has_no_part_in_it():
    """
    With or without it the others are worth the same.
    """
    for policy in (ExpectedValue(1.0), MinQuality(0.6), MaxCost(1.5)):
        np.testing.assert_array_equal(
            worth(policy, [0.5, np.nan, 0.6], [1, 1, 1.2]), worth(policy, [0.5, 0.6], [1, 1.2])
        )


@pytest.mark.parametrize(
    ("policy", "price"),
    [
        pytest.param(ExpectedValue(40.0), 0.0008, id="correct answers at the trade-off"),
        pytest.param(ExpectedValue(0.0), 0.0, id="nothing where money does not count"),
        pytest.param(ExpectedValue(INF), 2e-5, id="USD where only money counts"),
        pytest.param(MinQuality(0.6), 2e-5, id="USD where a quality is asked for"),
        pytest.param(MaxCost(0.01), 0.002, id="a right answer is worth the ceiling"),
        pytest.param(MaxCost(0.0), INF, id="who pays nothing asks nobody"),
    ],
)
def test_the_price_of_asking_is_in_the_same_unit(policy, price):
    """
    For $.00002 an answer.
    """
    assert policy.query_cost(2e-5) == pytest.approx(price)
