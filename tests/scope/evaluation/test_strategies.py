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
    ResampledOutcomes,
    ShuffledControl,
    lambda_grid,
)
from scope.policy.hull import Hulls

TWO = {"correct": [[1, 1], [0, 1]], "cost": [[1.0, 3.0], [1.0, 3.0]]}
"""Two questions: the cheap model is correct on the first, the expensive one on both."""


def outcomes_of(correct, cost, n_replicates=0):
    correct, cost = np.asarray(correct, dtype=float), np.asarray(cost, dtype=float)
    return ResampledOutcomes.from_outcomes(
        correct, cost, bootstrap_weights(len(correct), 0, n_replicates)
    )


def reached(strategy, budget, correct=TWO["correct"], cost=TWO["cost"]):
    got = strategy.evaluate_at(outcomes_of(correct, cost), np.array([[float(budget)]]))
    return got.accuracy_rb[0, 0], got.cost_usd_rb[0, 0]


SEPARATING = LambdaSweep(np.array([[0.9, 0.95], [0.1, 0.95]]), np.array(TWO["cost"]))
"""Forecasts that send only the second question to the expensive model, for a mean of $2."""


@pytest.mark.parametrize(
    ("strategy", "budget", "accuracy", "cost"),
    [
        pytest.param(SEPARATING, 2, 1.0, 2.0, id="a router with good forecasts"),
        pytest.param(SEPARATING, 1.9, 0.5, 1.0, id="below that budget it uses the cheap model"),
        pytest.param(ShuffledControl(SEPARATING), 2, 0.75, 2.0, id="shuffled: half of each"),
        pytest.param(BestSingleModel(), 2, 0.5, 1.0, id="one model within the budget"),
        pytest.param(RandomMixtures(), 2, 0.75, 2.0, id="a mixture of both"),
        pytest.param(Oracle(), 2, 1.0, 2.0, id="the oracle"),
        pytest.param(Oracle(), 9, 1.0, 2.0, id="the oracle spends no more than it needs"),
    ],
)
def test_accuracy_and_cost_at_a_budget(strategy, budget, accuracy, cost):
    """
    Two questions and two models, counted by hand.
    """
    assert reached(strategy, budget) == pytest.approx((accuracy, cost))


def test_a_question_without_forecasts_goes_to_the_cheapest_model():
    """
    The cheapest on average, as every question needs a model.
    """
    nan = np.nan
    sweep = LambdaSweep(np.array([[nan, nan], [0.1, 0.9]]), np.array([[nan, nan], [1.0, 3.0]]))

    assert sweep.choices()[0].tolist() == [0] * sweep.choices().shape[1]


def test_lambdas_run_from_the_cheapest_to_the_most_accurate_model():
    """
    Two hull steps with slopes of 4 and 1 per USD: a lambda separates each from the next.
    """
    hulls = Hulls.from_estimates(np.array([[0.1, 0.5, 0.9]]), np.array([[0.1, 0.2, 0.6]]))

    lambdas = lambda_grid(hulls)

    assert lambdas[0] == np.inf
    assert lambdas[-1] == 0
    assert [int(hulls.choose(value)[0]) for value in lambdas] == [0, 0, 1, 2]


def test_a_dominant_model_leaves_one_setting():
    """
    The cheapest model has the highest probability: any lambda chooses it.
    """
    assert lambda_grid(
        Hulls.from_estimates(np.array([[0.9, 0.5]]), np.array([[1.0, 2.0]]))
    ).tolist() == [
        np.inf,
        0,
    ]


@st.composite
def cases(draw):
    """Random outcomes, and forecasts independent of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, models = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    correct = (rng.random((n, models)) < 0.6).astype(float)
    cost = rng.lognormal(size=(n, models)) * rng.lognormal(size=models)
    sweep = LambdaSweep(rng.random((n, models)), cost * rng.lognormal(size=(n, models)))
    return outcomes_of(correct, cost, n_replicates=5), sweep


@given(cases())
@settings(max_examples=50)
def test_the_order_of_strategies(case):
    """
    Chosen on the questions that judge, at every budget and in every resample: no strategy is
    below the single models, none is above the oracle; on the sample the shuffled decisions, a
    mixture themselves, are not above the best one.
    """
    outcomes, sweep = case
    budgets = log_budgets(outcomes.mean_usd_rm, 20)
    at = {
        name: strategy.evaluate_at(outcomes, budgets).accuracy_rb
        for name, strategy in {
            "sweep": sweep,
            "shuffled": ShuffledControl(sweep),
            "singles": BestSingleModel(),
            "mixture": RandomMixtures(),
            "oracle": Oracle(),
        }.items()
    }

    for name in ("sweep", "shuffled", "mixture"):
        assert (at[name] >= at["singles"] - 1e-9).all(), name
    assert (at["shuffled"][0] <= at["mixture"][0] + 1e-9).all()
    for name in ("sweep", "mixture"):
        assert (at[name] <= at["oracle"] + 1e-9).all(), name


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_questions_has_no_effect(case, random):
    """
    The results are means over questions.
    """
    outcomes, sweep = case
    order = random.sample(range(len(outcomes.correct_qm)), len(outcomes.correct_qm))
    shuffled = outcomes_of(outcomes.correct_qm[order], outcomes.cost_usd_qm[order])
    shuffled_sweep = LambdaSweep(sweep.p_correct_qm[order], sweep.cost_usd_qm[order])
    budgets = log_budgets(shuffled.mean_usd_rm, 20) * (1 + 1e-9)

    first = sweep.evaluate_at(outcomes, np.tile(budgets, (6, 1))).accuracy_rb[0]
    second = shuffled_sweep.evaluate_at(shuffled, budgets).accuracy_rb[0]

    np.testing.assert_allclose(first, second)
