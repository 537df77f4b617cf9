import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.budget_curve import log_budgets
from scope.evaluation.strategies import (
    BestSingleModel,
    LambdaSweep,
    Oracle,
    RandomMixtures,
    RandomModel,
    ResampledOutcomes,
    ShuffledControl,
    lambda_grid,
)
from scope.policy.hull import Hulls

TWO = {"correct": [[1, 1], [0, 1]], "cost": [[1.0, 3.0], [1.0, 3.0]]}
"""Two questions: the cheap model is right on the first, the dear one on both."""


def record_of(correct, cost, n_replicates=0):
    correct, cost = np.asarray(correct, dtype=float), np.asarray(cost, dtype=float)
    return ResampledOutcomes.from_outcomes(
        correct, cost, bootstrap_weights(len(correct), 0, n_replicates)
    )


def reached(contender, budget, correct=TWO["correct"], cost=TWO["cost"]):
    got = contender.evaluate_at(record_of(correct, cost), np.array([[float(budget)]]))
    return got.accuracy_rb[0, 0], got.cost_usd_rb[0, 0]


KNOWING = LambdaSweep(np.array([[0.9, 0.95], [0.1, 0.95]]), np.array(TWO["cost"]))
"""Forecasts that send the second question alone to the dear model, for a mean of $2."""


@pytest.mark.parametrize(
    ("contender", "budget", "accuracy", "cost"),
    [
        pytest.param(KNOWING, 2, 1.0, 2.0, id="a router that knows"),
        pytest.param(KNOWING, 1.9, 0.5, 1.0, id="without the money it takes the cheap one"),
        pytest.param(ShuffledControl(KNOWING), 2, 0.75, 2.0, id="dealt at random: half of each"),
        pytest.param(BestSingleModel(), 2, 0.5, 1.0, id="one model within the budget"),
        pytest.param(RandomMixtures(), 2, 0.75, 2.0, id="a mix of both"),
        pytest.param(RandomModel(), 2, 0.75, 2.0, id="a model drawn evenly"),
        pytest.param(Oracle(), 2, 1.0, 2.0, id="who knows all needs no more"),
        pytest.param(Oracle(), 9, 1.0, 2.0, id="and spends no more"),
    ],
)
def test_what_two_dollars_buy(contender, budget, accuracy, cost):
    """
    Two questions, two models; all can be counted.
    """
    assert reached(contender, budget) == pytest.approx((accuracy, cost))


def test_a_question_nobody_foretells_goes_to_the_cheapest():
    """
    On average: it must be answered by someone.
    """
    nan = np.nan
    blind = LambdaSweep(np.array([[nan, nan], [0.1, 0.9]]), np.array([[nan, nan], [1.0, 3.0]]))

    assert blind.choices()[0].tolist() == [0] * blind.choices().shape[1]


def test_trade_offs_run_from_the_cheapest_to_the_likeliest():
    """
    Two steps, worth 4 and 1 answers per USD: each has a lambda that takes it.
    """
    hulls = Hulls.from_estimates(np.array([[0.1, 0.5, 0.9]]), np.array([[0.1, 0.2, 0.6]]))

    lambdas = lambda_grid(hulls)

    assert lambdas[0] == np.inf
    assert lambdas[-1] == 0
    assert [int(hulls.choose(value)[0]) for value in lambdas] == [0, 0, 1, 2]


def test_where_nothing_is_to_be_gained_there_is_one_setting():
    """
    The cheapest model is the likeliest: any lambda gives the same.
    """
    assert lambda_grid(
        Hulls.from_estimates(np.array([[0.9, 0.5]]), np.array([[1.0, 2.0]]))
    ).tolist() == [
        np.inf,
        0,
    ]


@st.composite
def contests(draw):
    """Random outcomes, and forecasts that have nothing to do with them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, models = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    correct = (rng.random((n, models)) < 0.6).astype(float)
    cost = rng.lognormal(size=(n, models)) * rng.lognormal(size=models)
    routed = LambdaSweep(rng.random((n, models)), cost * rng.lognormal(size=(n, models)))
    return record_of(correct, cost, n_replicates=5), routed


@given(contests())
@settings(max_examples=50)
def test_the_order_of_ways_to_choose(contest):
    """
    At every budget, in every resample: nobody is below the single models, dealing at
    random never beats the mix, nobody beats the oracle.
    """
    record, routed = contest
    budgets = log_budgets(record.mean_usd_rm, 20)
    at = {
        name: way.evaluate_at(record, budgets).accuracy_rb
        for name, way in {
            "routed": routed,
            "shuffled": ShuffledControl(routed),
            "singles": BestSingleModel(),
            "random": RandomModel(),
            "mix": RandomMixtures(),
            "oracle": Oracle(),
        }.items()
    }

    for name in ("routed", "shuffled", "random", "mix"):
        assert (at[name] >= at["singles"] - 1e-9).all(), name
    for name in ("shuffled", "random"):
        assert (at[name] <= at["mix"] + 1e-9).all(), name
    for name in ("routed", "mix"):
        assert (at[name] <= at["oracle"] + 1e-9).all(), name


@given(contests(), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_questions_changes_nothing(contest, random):
    """
    Questions are a set.
    """
    record, routed = contest
    order = random.sample(range(len(record.correct_qm)), len(record.correct_qm))
    turned = record_of(record.correct_qm[order], record.cost_usd_qm[order])
    turned_routed = LambdaSweep(routed.p_correct_qm[order], routed.cost_usd_qm[order])
    budgets = log_budgets(turned.mean_usd_rm, 20) * (1 + 1e-9)

    first = routed.evaluate_at(record, np.tile(budgets, (6, 1))).accuracy_rb[0]
    second = turned_routed.evaluate_at(turned, budgets).accuracy_rb[0]

    np.testing.assert_allclose(first, second)
