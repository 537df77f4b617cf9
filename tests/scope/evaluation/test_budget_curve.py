import numpy as np
import pytest

from scope.evaluation.budget_curve import best_within_budget, dual_bound, log_budgets, mixture_curve


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        pytest.param([1.0, 100.0], [1, 10, 100], id="equal factors"),
        pytest.param([0.0, 1.0], [1e-3, 10**-1.5, 1], id="a free model"),
        pytest.param([2.0, 2.0], [2, 2, 2], id="equal costs"),
        pytest.param([0.0, 0.0], [0, 0, 0], id="all free"),
    ],
)
def test_budgets_run_from_the_cheapest_to_the_most_expensive_model(cost, expected):
    """
    Log-spaced; a free model counts as a thousandth of the most expensive one.
    """
    got = log_budgets(np.array([cost]), 3)

    np.testing.assert_allclose(got, [expected])


@pytest.mark.parametrize(
    ("budget", "accuracy", "cost"),
    [
        pytest.param(0.5, np.nan, np.nan, id="no setting is that cheap"),
        pytest.param(1.0, 0.5, 1.0, id="just enough"),
        pytest.param(2.5, 0.9, 2.0, id="the best affordable setting"),
        pytest.param(9.0, 0.9, 2.0, id="a more expensive, worse setting is not used"),
    ],
)
def test_the_best_setting_within_a_budget_is_used(budget, accuracy, cost):
    """
    Three settings, unsorted: .9 for $2, .7 for $3, .5 for $1.
    """
    got = best_within_budget(
        np.array([[2.0, 3.0, 1.0]]), np.array([[0.9, 0.7, 0.5]]), np.array([[budget]])
    )

    np.testing.assert_equal(got.accuracy_rb, [[accuracy]])
    np.testing.assert_equal(got.cost_usd_rb, [[cost]])


def test_of_equal_accuracies_the_cheapest_setting_is_used():
    """
    .8 is reached for $1 and for $2; the difference of 1e-16 between the two is rounding.
    """
    got = best_within_budget(
        np.array([[2.0, 1.0]]), np.array([[0.8 + 1e-16, 0.8]]), np.array([[5.0]])
    )

    assert got.cost_usd_rb == [[1.0]]


def test_a_mixture_lies_on_the_line_between_two_models():
    """
    Half of the questions go to a model of .5 for $1, half to one of .9 for $3; the
    third model lies below that line and is not used.
    """
    usd, accuracy = np.array([[1.0, 3.0, 2.0]]), np.array([[0.5, 0.9, 0.6]])

    got = mixture_curve(usd, accuracy, np.array([[0.5, 2.0, 7.0]]))

    np.testing.assert_allclose(got.accuracy_rb, [[np.nan, 0.7, 0.9]])
    np.testing.assert_allclose(got.cost_usd_rb[0, 1:], [2.0, 3.0])


def test_the_area_is_the_mean_over_budgets():
    """
    .5 up to the second of three budgets, .9 at the third.
    """
    got = best_within_budget(
        np.array([[1.0, 3.0]]), np.array([[0.5, 0.9]]), np.array([[1.0, 2.0, 3.0]])
    )

    assert got.area_r() == pytest.approx([(0.5 + 0.5 + 0.9) / 3])


def test_the_dual_bound_is_tight_at_its_trade_offs():
    """
    Two questions; the model for $1 is correct on both, the free one on one: accuracy .5
    at cost 0, 1 at a mean cost of $.5, and with lambda = 1 the line between.
    """
    correct, cost = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    trade_offs = np.array([1.0, 0.0])
    value = np.array([[(correct - t * cost).max(axis=1).mean() for t in trade_offs]])

    got = dual_bound(value, trade_offs, np.array([[0.0, 0.25, 0.5, 2.0]]))

    np.testing.assert_allclose(got.accuracy_rb, [[0.5, 0.75, 1.0, 1.0]])
