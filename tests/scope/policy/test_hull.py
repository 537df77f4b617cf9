import numpy as np
import pytest

from scope.policy.hull import HullIncrements, Hulls

# One step of .4 for $1; two steps, of .3 for $1 and .1 for $2; no known estimates.
P = np.array([[0.5, 0.9, 0.9], [0.5, 0.8, 0.9], [np.nan] * 3])
COST = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.0, 3.0]])
STEPS = HullIncrements.from_hulls(Hulls.from_estimates(P, COST))


def test_steps_are_listed_question_by_question():
    """
    Question, index, slope and cost after the step; a question without known estimates has none.
    """
    assert STEPS.question_n.tolist() == [0, 1, 1]
    assert STEPS.step_n.tolist() == [0, 0, 1]
    assert STEPS.slope_n.tolist() == pytest.approx([0.4, 0.3, 0.05])
    assert STEPS.cost_usd_n.tolist() == [2, 2, 4]
    np.testing.assert_array_equal(STEPS.base_usd_q, [1, 1, np.nan])


def test_the_steepest_steps_come_first():
    """
    The cheapest models cost $2 together; then $1, $1 and $2 more.
    """
    order = STEPS.sort_by_slope(np.arange(3))

    assert order.question_n.tolist() == [0, 1, 1]
    assert order.cumulative_cost_usd_n.tolist() == [2, 3, 4, 6]
    assert [order.n_affordable(budget) for budget in (1, 2, 3.5, 99)] == [0, 0, 1, 3]


@pytest.mark.parametrize(
    ("taken", "cost"),
    [
        pytest.param([0, 0, 0], [1, 1, np.nan], id="the cheapest"),
        pytest.param([1, 1, 0], [2, 2, np.nan], id="a step each"),
        pytest.param([0, 2, 0], [1, 4, np.nan], id="one to the end"),
    ],
)
def test_the_cost_after_some_steps(taken, cost):
    """
    The cost of the models at those steps.
    """
    np.testing.assert_array_equal(STEPS.cost_usd_q(np.array(taken)), cost)


def test_parts_concatenate_to_the_whole():
    """
    The steps of one question and of two are the steps of all three.
    """
    parts = [
        HullIncrements.from_hulls(Hulls.from_estimates(P[rows], COST[rows]))
        for rows in (slice(0, 1), slice(1, 3))
    ]

    joined = HullIncrements.concatenate(parts)

    for name in ("base_usd_q", "question_n", "step_n", "slope_n", "cost_usd_n"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(STEPS, name))


def test_a_question_with_one_model_has_no_steps():
    """
    Its cost is that of the model.
    """
    steps = HullIncrements.from_hulls(Hulls.from_estimates(np.array([[0.5]]), np.array([[2.0]])))

    assert steps.sort_by_slope(np.array([0])).cumulative_cost_usd_n.tolist() == [2]
    assert steps.cost_usd_q(np.array([0])).tolist() == [2]
