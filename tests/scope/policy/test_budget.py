import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope import AlphaScale, ExpectedValue, plan_budget
from scope.errors import ConfigError, NoEvidenceError
from scope.policy.budget import plan_budget_streamed
from tests.factories.banks import bill_ratio_of, predictions_of
from tests.factories.partitions import cut, rows_of

P = [[0.5, 0.9], [0.5, 0.6], [0.5, 0.8]]
COST = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    ("budget", "chosen"),
    [
        pytest.param(3.0, [0, 0, 0], id="only the cheapest"),
        pytest.param(3.9, [0, 0, 0], id="not enough for a step"),
        pytest.param(4.0, [1, 0, 0], id="one step: the steepest"),
        pytest.param(5.0, [1, 0, 1], id="two steps"),
        pytest.param(99.0, [1, 1, 1], id="all steps"),
    ],
)
def test_a_budget_takes_the_steepest_steps_first(budget, chosen):
    """
    Gains per USD are .4, .1 and .3.
    """
    plan = plan_budget(predictions_of(P, COST), budget)

    assert plan.choices.model_q.tolist() == chosen
    assert plan.planned_cost_usd <= budget
    assert plan.overshoot_usd == 0


def test_a_budget_below_the_cheapest_models_chooses_them_and_overshoots():
    """
    The plan states the overshoot.
    """
    plan = plan_budget(predictions_of(P, COST), 2.0)

    assert plan.choices.model_q.tolist() == [0, 0, 0]
    assert plan.overshoot_usd == 1.0


def test_equal_questions_take_steps_in_the_order_of_their_ids():
    """
    Ten identical questions, a budget for four steps: the same four take one in any row order.
    """
    same = predictions_of([[0.5, 0.9]] * 10, [[1.0, 2.0]] * 10)
    backwards = type(same)(same.question_ids[::-1], same.models, same.estimates)

    plan, mirrored = plan_budget(same, 14.0), plan_budget(backwards, 14.0)

    assert plan.choices.model_q.tolist() == [1] * 4 + [0] * 6
    assert mirrored.choices.model_q.tolist() == [0] * 6 + [1] * 4


def test_a_question_without_known_estimates_costs_nothing():
    """
    It gets no model and uses no budget.
    """
    plan = plan_budget(predictions_of([[0.5, 0.9], [np.nan] * 2], [[1.0, 2.0], [1.0, 2.0]]), 2.0)

    assert plan.choices.model_q.tolist() == [1, -1]


def test_no_evidence_at_all_is_an_error():
    """
    A budget needs at least one known estimate.
    """
    with pytest.raises(NoEvidenceError, match="no estimates for any of m0, m1"):
        plan_budget(predictions_of([[np.nan] * 2], [[1.0, 2.0]]), 2.0)


@pytest.mark.parametrize("budget", [-1.0, float("nan")])
def test_a_budget_is_an_amount(budget):
    """
    The error names the value.
    """
    with pytest.raises(ConfigError, match=f"budget is {budget} USD; expected at least 0"):
        plan_budget(predictions_of(P, COST), budget)


@st.composite
def cases(draw):
    """Up to 12 questions, many of them equal, and a budget between 0 and all steps."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 4)))
    p = draw(arrays(float, shape, elements=st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])))
    cost = draw(arrays(float, shape, elements=st.sampled_from([0.0, 0.1, 0.2, 0.7, 1.3])))
    return predictions_of(p, cost), draw(st.floats(0, 1.3 * shape[0]))


@given(cases())
def test_a_budget_is_used_up_to_one_step(case):
    """
    Never exceeded if the cheapest models fit; the rest is less than the largest step.
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
    most_accurate = ExpectedValue(0.0).choose(p, cost).pick(cost).sum()
    largest_step = (cost.max(axis=1) - cost.min(axis=1)).max()
    left = min(budget, most_accurate) - plan.planned_cost_usd
    assert left <= largest_step + 1e-9


@given(cases())
def test_a_larger_budget_never_expects_fewer_correct_answers(case):
    """
    The expected number of correct answers rises with the budget.
    """
    predictions, budget = case
    p = predictions.estimates.p_correct_qm

    less, more = (plan_budget(predictions, b).choices.pick(p).sum() for b in (budget / 2, budget))

    assert more >= less - 1e-12


def greedy_choices(p, cost, budget):
    """The definition: take the steepest step of all questions until it exceeds the budget."""
    chosen = [int(np.lexsort((-p[q], cost[q]))[0]) for q in range(len(p))]
    while True:
        steps_left = []
        for q, m in enumerate(chosen):
            gain, extra = p[q] - p[q, m], cost[q] - cost[q, m]
            steps = np.flatnonzero((gain > 0) & (extra > 0))
            steps_left += [(-gain[b] / extra[b], q, -cost[q, b], int(b)) for b in steps]
        total = sum(cost[q, m] for q, m in enumerate(chosen))
        if not steps_left:
            return chosen
        _, q, _, best = min(steps_left)
        if total + cost[q, best] - cost[q, chosen[q]] > budget:
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
def test_a_streamed_budget_follows_the_definition(case, data):
    """
    For shards cut anywhere, every choice is the same.
    """
    p, cost, budget = case
    predictions = predictions_of(p, cost)
    cuts = cut(data, len(p))

    streamed = plan_budget_streamed([rows_of(predictions, rows) for rows in cuts], budget)

    chosen = [streamed.choose(rows_of(predictions, rows), rows.start).model_q for rows in cuts]
    assert np.concatenate(chosen).tolist() == greedy_choices(p, cost, budget)


@given(cases(), st.data())
def test_shards_change_no_plan(case, data):
    """
    Trade-off, cost and overshoot to the last bit, with costs that are not exact floats.
    """
    predictions, budget = case
    cuts = cut(data, len(predictions.question_ids))
    plan = plan_budget(predictions, budget)

    streamed = plan_budget_streamed([rows_of(predictions, rows) for rows in cuts], budget)

    assert (streamed.trade_off, streamed.planned_cost_usd) == (
        plan.trade_off,
        plan.planned_cost_usd,
    )
    assert streamed.overshoot_usd == plan.overshoot_usd


def scale_of(predictions, *ratios):
    """The alpha scale of these very predictions, with ratios of real to planned bills."""
    estimates = predictions.estimates
    scale = AlphaScale.fit(estimates.p_correct_qm, estimates.cost_usd_qm)
    return replace(scale, bill_ratio=bill_ratio_of(*ratios))


@pytest.mark.parametrize(
    ("budget", "chosen", "overshoot"),
    [
        pytest.param(4.0, [0, 0, 0], 0.5, id="3 USD of forecasts are a bill of 4.5"),
        pytest.param(5.9, [0, 0, 0], 0.0, id="not enough for a step"),
        pytest.param(6.0, [1, 0, 0], 0.0, id="4 USD of forecasts"),
        pytest.param(9.0, [1, 1, 1], 0.0, id="all steps"),
    ],
)
def test_a_budget_counts_the_bill_that_anchors_show(budget, chosen, overshoot):
    """
    Real bills are one and a half times the sums of the forecasts.
    """
    predictions = predictions_of(P, COST)

    plan = plan_budget(predictions, budget, scale_of(predictions, 1.5))

    assert plan.choices.model_q.tolist() == chosen
    assert plan.bill_ratio == 1.5
    assert plan.planned_cost_usd == 1.5 * sum(COST[q][m] for q, m in enumerate(chosen))
    assert plan.overshoot_usd == overshoot


curves = st.lists(st.sampled_from([0.5, 0.9, 1.0, 1.1, 2.0]), min_size=11, max_size=11)


@given(cases(), curves)
def test_a_corrected_plan_is_never_above_the_budget(case, ratios):
    """
    Whatever the curve, unless the cheapest models are; its cost is that of its choices, exactly.
    """
    predictions, budget = case
    scale = scale_of(predictions, *ratios)

    plan = plan_budget(predictions, budget, scale)

    cost_usd_q = plan.choices.pick(predictions.estimates.cost_usd_qm)
    assert plan.planned_cost_usd == plan.bill_ratio * math.fsum(cost_usd_q)
    assert plan.bill_ratio == scale.bill_ratios(np.array([plan.trade_off]))[0]
    if plan.overshoot_usd == 0:
        assert plan.planned_cost_usd <= budget
    else:
        np.testing.assert_array_equal(cost_usd_q, predictions.estimates.cost_usd_qm.min(axis=1))


@given(cases(), curves)
def test_a_larger_budget_never_takes_fewer_steps_on_any_curve(case, ratios):
    """
    A ratio that falls along the scale can make a longer plan the cheaper one.
    """
    predictions, budget = case
    p, scale = predictions.estimates.p_correct_qm, scale_of(predictions, *ratios)

    less, more = (
        plan_budget(predictions, b, scale).choices.pick(p).sum() for b in (budget / 2, budget)
    )

    assert more >= less - 1e-12


@given(cases())
def test_a_ratio_of_1_changes_no_plan(case):
    """
    To the last bit.
    """
    predictions, budget = case

    plain, corrected = (
        plan_budget(predictions, budget, scale) for scale in (None, scale_of(predictions, 1.0))
    )

    assert corrected.choices.model_q.tolist() == plain.choices.model_q.tolist()
    assert corrected.planned_cost_usd == plain.planned_cost_usd
