import math

import numpy as np
import pytest

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.leaderboard import Leaderboard, matched_budgets, single_model_rows
from scope.evaluation.strategies import (
    BestSingleModel,
    LambdaSweep,
    Oracle,
    RandomMixtures,
    ResampledOutcomes,
)

CORRECT = np.array([[0, 1], [0, 1], [1, 1], [1, 0]] * 10, dtype=float)
"""The cheap model is correct on 1/2, the expensive one on 3/4, at least one always."""
COST = np.tile([0.001, 0.1], (40, 1))
PERFECT = LambdaSweep(CORRECT, COST)


def outcomes(correct=CORRECT, cost=COST, n_replicates=200):
    return ResampledOutcomes.from_outcomes(
        correct, cost, bootstrap_weights(len(correct), 0, n_replicates)
    )


def leaderboard(of=None, ours=PERFECT):
    strategies = {
        "scope": ("", ours),
        "mixture": ("", RandomMixtures()),
        "single": ("", BestSingleModel()),
        "oracle": ("", Oracle()),
    }
    return Leaderboard(
        of or outcomes(), strategies, ours="scope", mixture="mixture", oracle="oracle"
    )


def rows(of=None, ours=PERFECT):
    return {row.name: row for row in leaderboard(of, ours).rows()}


def test_perfect_forecasts_close_the_oracle_gap():
    """
    Our forecasts are the outcomes: as good as the oracle except between two settings.
    The mixture closes none of the gap.
    """
    uneven = COST * np.linspace(1, 2, 40)[:, None]

    got = rows(outcomes(cost=uneven), LambdaSweep(CORRECT, uneven))

    assert got["scope"].oracle_gap_closed.value > 0.9
    assert got["mixture"].oracle_gap_closed.value == 0
    assert got["oracle"].oracle_gap_closed.value == pytest.approx(1)


def test_the_difference_to_ours_is_zero_for_ours():
    """
    The interval of a paired difference is narrower than those of the two areas.
    """
    got = rows()
    width = got["single"].difference.high - got["single"].difference.low

    assert got["scope"].difference.value == got["scope"].difference.high == 0
    assert got["single"].difference.low > 0
    assert width < 2 * (got["single"].area.high - got["single"].area.low)


def test_the_cost_at_a_budget_is_the_realised_one():
    """
    At any budget below $100 per thousand, the best single model is the one for $1.
    """
    got = rows()["single"].at_budgets[0]

    assert got.budget_usd_per_1k == pytest.approx(2.5)
    assert got.usd_per_1k.value == pytest.approx(1.0)
    assert got.accuracy.value == pytest.approx(0.5)


def test_without_an_oracle_gap_its_metrics_are_undefined():
    """
    One model: oracle gap closed is NaN.
    """
    single = ResampledOutcomes.from_outcomes(
        CORRECT[:, :1], COST[:, :1], bootstrap_weights(40, 0, 20)
    )
    sweep = LambdaSweep(CORRECT[:, :1], COST[:, :1])
    strategies = {"scope": ("", sweep), "mixture": ("", RandomMixtures()), "oracle": ("", Oracle())}

    got = Leaderboard(single, strategies, ours="scope", mixture="mixture", oracle="oracle").rows()

    assert all(math.isnan(row.oracle_gap_closed.value) for row in got)
    assert got[0].area.value == pytest.approx(0.5)


def test_single_models_are_compared_at_their_own_cost():
    """
    At the cost of the expensive model our router is always correct: .25 more.
    """
    small, large = single_model_rows(outcomes(), ("small", "large"), PERFECT)

    assert (small.note, large.note) == ("the cheapest", "the most expensive")
    assert small.difference.value == pytest.approx(0)
    assert large.difference.value == pytest.approx(0.25)


def test_matched_budgets_are_round():
    """
    Two digits per thousand questions, log-spaced, then unlimited.
    """
    got = matched_budgets(np.array([0.001, 0.1]))

    np.testing.assert_allclose(1000 * got, [2.5, 6.3, 16, 40, np.inf])


def test_equal_costs_leave_one_budget():
    """
    The common cost, rounded.
    """
    np.testing.assert_allclose(matched_budgets(np.array([0.002, 0.002])), [0.002, np.inf])


def test_free_models_are_compared_without_a_budget():
    """
    Every cost is 0 and has no logarithm.
    """
    got = rows(outcomes(cost=np.zeros((40, 2))))

    assert got["single"].area.value == pytest.approx(0.75)
    assert len(got["single"].at_budgets) == 1
