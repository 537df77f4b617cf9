import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope import ExpectedValue, plan_budget
from scope.errors import ConfigError, NoEvidenceError
from scope.policy.budget import plan_budget_streamed
from tests.factories.banks import predictions_of
from tests.factories.partitions import cut, rows_of

P = [[0.5, 0.9], [0.5, 0.6], [0.5, 0.8]]
COST = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    ("budget", "chosen"),
    [
        pytest.param(3.0, [0, 0, 0], id="just the cheapest"),
        pytest.param(3.9, [0, 0, 0], id="not enough for a step"),
        pytest.param(4.0, [1, 0, 0], id="one step: where it gains most"),
        pytest.param(5.0, [1, 0, 1], id="two"),
        pytest.param(99.0, [1, 1, 1], id="all that gain"),
    ],
)
def test_money_goes_where_it_buys_most(budget, chosen):
    """
    Gains per USD are .4, .1 and .3.
    """
    plan = plan_budget(predictions_of(P, COST), budget)

    assert plan.choices.model_q.tolist() == chosen
    assert plan.planned_cost_usd <= budget
    assert plan.overshoot_usd == 0


def test_a_budget_nobody_can_meet_is_routed_at_the_cheapest():
    """
    And the plan says by how much it overshoots.
    """
    plan = plan_budget(predictions_of(P, COST), 2.0)

    assert plan.choices.model_q.tolist() == [0, 0, 0]
    assert plan.overshoot_usd == 1.0


def test_equal_questions_share_a_budget_by_their_ids():
    """
    Ten identical questions, money for four steps: four get it, whatever their order.
    """
    same = predictions_of([[0.5, 0.9]] * 10, [[1.0, 2.0]] * 10)
    backwards = type(same)(same.question_ids[::-1], same.models, same.estimates)

    plan, mirrored = plan_budget(same, 14.0), plan_budget(backwards, 14.0)

    assert plan.choices.model_q.tolist() == [1] * 4 + [0] * 6
    assert mirrored.choices.model_q.tolist() == [0] * 6 + [1] * 4


def test_a_question_about_which_nothing_is_known_costs_nothing():
    """
    It gets no model and takes no money from the others.
    """
    plan = plan_budget(predictions_of([[0.5, 0.9], [np.nan] * 2], [[1.0, 2.0], [1.0, 2.0]]), 2.0)

    assert plan.choices.model_q.tolist() == [1, -1]


def test_no_evidence_at_all_is_an_error():
    """
    A budget for nothing cannot be planned.
    """
    with pytest.raises(NoEvidenceError, match="nothing is known about any of m0, m1"):
        plan_budget(predictions_of([[np.nan] * 2], [[1.0, 2.0]]), 2.0)


@pytest.mark.parametrize("budget", [-1.0, float("nan")])
def test_a_budget_is_an_amount(budget):
    """
    Refused with its value.
    """
    with pytest.raises(ConfigError, match=f"budget is {budget} USD; expected at least 0"):
        plan_budget(predictions_of(P, COST), budget)


@st.composite
def cases(draw):
    """Up to 12 questions, many of them alike, and a budget between nothing and all."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 4)))
    p = draw(arrays(float, shape, elements=st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])))
    cost = draw(arrays(float, shape, elements=st.sampled_from([0.0, 0.1, 0.2, 0.7, 1.3])))
    return predictions_of(p, cost), draw(st.floats(0, 1.3 * shape[0]))


@given(cases())
def test_a_budget_is_met_up_to_one_questions_jump(case):
    """
    Never exceeded if the cheapest fit; what is left over buys no further step.
    """
    predictions, budget = case
    p, cost = predictions.estimates.p_correct_qm, predictions.estimates.cost_usd_qm

    plan = plan_budget(predictions, budget)

    cheapest = cost.min(axis=1).sum()
    if cheapest > budget:
        np.testing.assert_allclose(plan.planned_cost_usd, cheapest)
        np.testing.assert_allclose(plan.overshoot_usd, cheapest - budget)
        return
    assert plan.planned_cost_usd <= budget
    likeliest = ExpectedValue(0.0).choose(p, cost).pick(cost).sum()
    largest_step = (cost.max(axis=1) - cost.min(axis=1)).max()
    left = min(budget, likeliest) - plan.planned_cost_usd
    assert left <= largest_step + 1e-9


@given(cases())
def test_a_larger_budget_never_expects_fewer_right_answers(case):
    """
    More money, more expected right answers.
    """
    predictions, budget = case
    p = predictions.estimates.p_correct_qm

    less, more = (plan_budget(predictions, b).choices.pick(p).sum() for b in (budget / 2, budget))

    assert more >= less - 1e-12


def bought_one_by_one(p, cost, budget):
    """The definition: the best bargain of all questions is bought as long as the bill allows."""
    chosen = [int(np.lexsort((-p[q], cost[q]))[0]) for q in range(len(p))]
    while True:
        offers = []
        for q, m in enumerate(chosen):
            gain, extra = p[q] - p[q, m], cost[q] - cost[q, m]
            steps = np.flatnonzero((gain > 0) & (extra > 0))
            offers += [(-gain[b] / extra[b], q, -cost[q, b], int(b)) for b in steps]
        bill = sum(cost[q, m] for q, m in enumerate(chosen))
        if not offers:
            return chosen
        _, q, _, best = min(offers)
        if bill + cost[q, best] - cost[q, chosen[q]] > budget:
            return chosen
        chosen[q] = best


@st.composite
def exact_cases(draw):
    """Costs in whole USD, probabilities in quarters: every sum is exact."""
    shape = (draw(st.integers(1, 10)), draw(st.integers(1, 4)))
    p = draw(arrays(float, shape, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])))
    cost = draw(arrays(float, shape, elements=st.sampled_from([1.0, 2.0, 3.0, 5.0])))
    cheapest = int(cost.min(axis=1).sum())
    return p, cost, draw(st.integers(cheapest, int(cost.max(axis=1).sum()) + 1))


@given(exact_cases(), st.data())
def test_questions_in_portions_are_served_as_the_definition_says(case, data):
    """
    Cut anywhere, choice by choice.
    """
    p, cost, budget = case
    predictions = predictions_of(p, cost)
    cuts = cut(data, len(p))

    spent = plan_budget_streamed([rows_of(predictions, rows) for rows in cuts], budget)

    chosen = [spent.choose(rows_of(predictions, rows), rows.start).model_q for rows in cuts]
    assert np.concatenate(chosen).tolist() == bought_one_by_one(p, cost, budget)


@given(cases(), st.data())
def test_portions_change_no_plan(case, data):
    """
    Trade-off, bill and overshoot to the last bit, with costs that no float holds exactly.
    """
    predictions, budget = case
    cuts = cut(data, len(predictions.question_ids))
    plan = plan_budget(predictions, budget)

    spent = plan_budget_streamed([rows_of(predictions, rows) for rows in cuts], budget)

    assert (spent.trade_off, spent.planned_cost_usd) == (plan.trade_off, plan.planned_cost_usd)
    assert spent.overshoot_usd == plan.overshoot_usd
