import numpy as np
import pytest

from scope.policy.hull import HullIncrements, Hulls

# One step of .4 for $1; two steps, of .3 for $1 and .1 for $2; nothing known.
P = np.array([[0.5, 0.9, 0.9], [0.5, 0.8, 0.9], [np.nan] * 3])
COST = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.0, 3.0]])
STEPS = HullIncrements.from_hulls(Hulls.from_estimates(P, COST))


def test_steps_are_listed_question_by_question():
    """
    Whose, which, what they buy and where they lead; one about which nothing is known has none.
    """
    assert STEPS.question_n.tolist() == [0, 1, 1]
    assert STEPS.step_n.tolist() == [0, 0, 1]
    assert STEPS.slope_n.tolist() == pytest.approx([0.4, 0.3, 0.05])
    assert STEPS.cost_usd_n.tolist() == [2, 2, 4]
    np.testing.assert_array_equal(STEPS.base_usd_q, [1, 1, np.nan])


def test_the_best_bargains_come_first():
    """
    The cheapest models cost $2 together; then $1, $1 and $2 more.
    """
    climb = STEPS.sort_by_slope(np.arange(3))

    assert climb.question_n.tolist() == [0, 1, 1]
    assert climb.cumulative_cost_usd_n.tolist() == [2, 3, 4, 6]
    assert [climb.n_affordable(budget) for budget in (1, 2, 3.5, 99)] == [0, 0, 1, 3]


@pytest.mark.parametrize(
    ("taken", "cost"),
    [
        pytest.param([0, 0, 0], [1, 1, np.nan], id="the cheapest"),
        pytest.param([1, 1, 0], [2, 2, np.nan], id="a step each"),
        pytest.param([0, 2, 0], [1, 4, np.nan], id="one all the way"),
    ],
)
def test_the_cost_after_some_steps(taken, cost):
    """
    As the models there cost.
    """
    np.testing.assert_array_equal(STEPS.cost_usd_q(np.array(taken)), cost)


def test_parts_make_up_the_whole():
    """
    Steps of one question and of two are those of all three.
    """
    parts = [
        HullIncrements.from_hulls(Hulls.from_estimates(P[rows], COST[rows]))
        for rows in (slice(0, 1), slice(1, 3))
    ]

    joined = HullIncrements.concatenate(parts)

    for name in ("base_usd_q", "question_n", "step_n", "slope_n", "cost_usd_n"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(STEPS, name))


def test_questions_where_nobody_has_to_choose_have_no_steps():
    """
    A single model: the bill is what it is.
    """
    steps = HullIncrements.from_hulls(Hulls.from_estimates(np.array([[0.5]]), np.array([[2.0]])))

    assert steps.sort_by_slope(np.array([0])).cumulative_cost_usd_n.tolist() == [2]
    assert steps.cost_usd_q(np.array([0])).tolist() == [2]
