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
"""The cheap model is right on half, the dear one on three quarters, one of them always."""
COST = np.tile([0.001, 0.1], (40, 1))
KNOWING = LambdaSweep(CORRECT, COST)


def record(correct=CORRECT, cost=COST, n_replicates=200):
    return ResampledOutcomes.from_outcomes(
        correct, cost, bootstrap_weights(len(correct), 0, n_replicates)
    )


def ranking(of=None, ours=KNOWING):
    contenders = {
        "scope": ("", ours),
        "mix": ("", RandomMixtures()),
        "single": ("", BestSingleModel()),
        "oracle": ("", Oracle()),
    }
    return Leaderboard(of or record(), contenders, ours="scope", mix="mix", oracle="oracle")


def standings(of=None, ours=KNOWING):
    return {one.name: one for one in ranking(of, ours).rows()}


def test_who_knows_all_goes_the_whole_way():
    """
    Our forecasts are the outcomes themselves: as good as the oracle, but for what lies
    between two settings; the mix goes none of the way.
    """
    uneven = COST * np.linspace(1, 2, 40)[:, None]

    got = standings(record(cost=uneven), LambdaSweep(CORRECT, uneven))

    assert got["scope"].oracle_gap_closed.value > 0.9
    assert got["mix"].oracle_gap_closed.value == 0
    assert got["oracle"].oracle_gap_closed.value == pytest.approx(1)


def test_ours_minus_ours_is_nothing():
    """
    And a paired difference is more certain than the two areas it is taken of.
    """
    got = standings()
    width = got["single"].difference.high - got["single"].difference.low

    assert got["scope"].difference.value == got["scope"].difference.high == 0
    assert got["single"].difference.low > 0
    assert width < 2 * (got["single"].area.high - got["single"].area.low)


def test_pgr_runs_from_the_worst_model_to_any_model_right():
    """
    Floor .5, some model right always: the dear model's .75 is half the way.
    """
    got = standings()

    assert got["single"].at_budgets[-1].budget_usd_per_1k is None
    assert got["single"].at_budgets[-1].pgr.value == pytest.approx(0.5)
    assert got["oracle"].at_budgets[-1].pgr.value == pytest.approx(1)


def test_the_cost_at_a_budget_is_the_one_paid():
    """
    Under any budget below $100 a thousand, one model for all is the cheap one, for $1.
    """
    got = standings()["single"].at_budgets[0]

    assert got.budget_usd_per_1k == pytest.approx(2.5)
    assert got.usd_per_1k.value == pytest.approx(1.0)
    assert got.accuracy.value == pytest.approx(0.5)


def test_where_the_oracle_gains_nothing_there_is_no_way_to_go():
    """
    One model: no share, no PGR, and no number in their place.
    """
    single = ResampledOutcomes.from_outcomes(
        CORRECT[:, :1], COST[:, :1], bootstrap_weights(40, 0, 20)
    )
    routed = LambdaSweep(CORRECT[:, :1], COST[:, :1])
    contenders = {"scope": ("", routed), "mix": ("", RandomMixtures()), "oracle": ("", Oracle())}

    got = Leaderboard(single, contenders, ours="scope", mix="mix", oracle="oracle").rows()

    assert all(math.isnan(one.oracle_gap_closed.value) for one in got)
    assert math.isnan(got[0].at_budgets[-1].pgr.value)
    assert got[0].area.value == pytest.approx(0.5)


def test_single_models_are_met_at_their_own_cost():
    """
    For the dear model's money our router is always right: .25 more. A random model is
    right on .625, for half the money, at which we are always right, too.
    """
    small, large, drawn = single_model_rows(record(), ("small", "large"), KNOWING)

    assert (small.note, large.note) == ("the cheapest", "the dearest")
    assert small.difference.value == pytest.approx(0)
    assert large.difference.value == pytest.approx(0.25)
    assert drawn.accuracy.value == pytest.approx(0.625)
    assert drawn.usd_per_1k.value == pytest.approx(50.5)


def test_matched_budgets_are_round():
    """
    Two digits for a thousand questions, evenly in the log, then any cost.
    """
    got = matched_budgets(np.array([0.001, 0.1]))

    np.testing.assert_allclose(1000 * got, [2.5, 6.3, 16, 40, np.inf])


def test_one_price_leaves_one_budget():
    """
    Equal costs: the only budget between them is their own, rounded.
    """
    np.testing.assert_allclose(matched_budgets(np.array([0.002, 0.002])), [0.002, np.inf])


def test_free_models_are_compared_without_a_budget():
    """
    Every cost is 0: there is no log, and nothing to spend.
    """
    got = standings(record(cost=np.zeros((40, 2))))

    assert got["single"].area.value == pytest.approx(0.75)
    assert len(got["single"].at_budgets) == 1
