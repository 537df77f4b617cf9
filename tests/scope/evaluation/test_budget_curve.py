import numpy as np
import pytest

from scope.evaluation.budget_curve import best_within_budget, dual_bound, log_budgets, mixture_curve


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        pytest.param([1.0, 100.0], [1, 10, 100], id="equal factors"),
        pytest.param([0.0, 1.0], [1e-3, 10**-1.5, 1], id="a free model"),
        pytest.param([2.0, 2.0], [2, 2, 2], id="one price"),
        pytest.param([0.0, 0.0], [0, 0, 0], id="all free"),
    ],
)
def test_budgets_run_from_the_cheapest_to_the_dearest(cost, expected):
    """
    In equal steps of the log; a free model has no log, a thousandth of the dearest stands in.
    """
    got = log_budgets(np.array([cost]), 3)

    np.testing.assert_allclose(got, [expected])


@pytest.mark.parametrize(
    ("budget", "accuracy", "cost"),
    [
        pytest.param(0.5, np.nan, np.nan, id="nothing is that cheap"),
        pytest.param(1.0, 0.5, 1.0, id="just enough"),
        pytest.param(2.5, 0.9, 2.0, id="the best so far"),
        pytest.param(9.0, 0.9, 2.0, id="a dearer setting that is worse is not taken"),
    ],
)
def test_the_best_setting_within_a_budget_is_taken(budget, accuracy, cost):
    """
    Three settings, in no order: .9 for $2, .7 for $3, .5 for $1.
    """
    got = best_within_budget(
        np.array([[2.0, 3.0, 1.0]]), np.array([[0.9, 0.7, 0.5]]), np.array([[budget]])
    )

    np.testing.assert_equal(got.accuracy_rb, [[accuracy]])
    np.testing.assert_equal(got.cost_usd_rb, [[cost]])


def test_of_equally_good_settings_the_cheapest_tells_the_cost():
    """
    .8 is reached for $1 and for $2; that the sum of the second is a hair larger is rounding.
    """
    got = best_within_budget(
        np.array([[2.0, 1.0]]), np.array([[0.8 + 1e-16, 0.8]]), np.array([[5.0]])
    )

    assert got.cost_usd_rb == [[1.0]]


def test_a_mix_lies_on_the_line_between_two_models():
    """
    Half the questions to a model of .5 for $1, half to one of .9 for $3; the third
    model, below that line, takes no part.
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


def test_the_bound_is_met_where_a_trade_off_touches():
    """
    Two questions; the dear model is right on both, the cheap one on one. Free and $1:
    .5 for nothing, 1 for a mean of $.5, and with lambda = 1 the line between.
    """
    correct, cost = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    trade_offs = np.array([1.0, 0.0])
    value = np.array([[(correct - t * cost).max(axis=1).mean() for t in trade_offs]])

    got = dual_bound(value, trade_offs, np.array([[0.0, 0.25, 0.5, 2.0]]))

    np.testing.assert_allclose(got.accuracy_rb, [[0.5, 0.75, 1.0, 1.0]])
