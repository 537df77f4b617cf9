import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope import ExpectedValue, MaxCost, MinQuality, filter_models
from scope.errors import ConfigError

INF, NAN = float("inf"), float("nan")
P = [0.5, 0.7, 0.9]
COST = [0.001, 0.010, 0.100]
POLICIES = {
    "expected_value": ExpectedValue(10.0),
    "cheapest": ExpectedValue(INF),
    "most_accurate": ExpectedValue(0.0),
    "min_quality": MinQuality(0.6),
    "max_cost_usd": MaxCost(0.5),
}


def chosen(policy, p=P, cost=COST):
    choices = policy.choose(np.array([p]), np.array([cost]))
    return int(choices.model_q[0]), bool(choices.satisfied_q[0])


@pytest.mark.parametrize(
    ("trade_off", "model"),
    [
        pytest.param(0.0, 2, id="accuracy only"),
        pytest.param(2.0, 2, id="2 per USD: .2 is worth $.09"),
        pytest.param(3.0, 1, id="3 per USD: it is not"),
        pytest.param(22.0, 1, id="22 per USD: .2 is worth $.009"),
        pytest.param(23.0, 0, id="23 per USD: it is not"),
        pytest.param(INF, 0, id="cost only"),
    ],
)
def test_expected_value(trade_off, model):
    """
    argmax p - lambda * cost.
    """
    assert chosen(ExpectedValue(trade_off)) == (model, True)


@pytest.mark.parametrize(
    ("p", "cost", "model"),
    [
        pytest.param([0.5, 0.5], [0.2, 0.1], 1, id="equal p: the cheaper"),
        pytest.param([0.5, 0.5], [0.1, 0.1], 0, id="equal all: the first of the pool"),
        pytest.param([0.5, 0.6], [0.1, 0.1], 1, id="equal cost: the higher p"),
        pytest.param([0.5, 0.75], [0.25, 0.5], 0, id="equal utility: the cheaper"),
    ],
)
def test_ties_go_to_the_cheaper_then_to_pool_order(p, cost, model):
    """
    At lambda = 1.
    """
    assert chosen(ExpectedValue(1.0), p, cost)[0] == model


@pytest.mark.parametrize(
    ("target", "model", "satisfied"),
    [
        pytest.param(0.6, 1, True, id="the cheapest that reaches it"),
        pytest.param(0.0, 0, True, id="every model reaches it"),
        pytest.param(0.95, 2, False, id="none reaches it: the highest p, flagged"),
    ],
)
def test_min_quality(target, model, satisfied):
    """
    The cheapest model with p >= target.
    """
    assert chosen(MinQuality(target)) == (model, satisfied)


@pytest.mark.parametrize(
    ("limit", "model", "satisfied"),
    [
        pytest.param(0.05, 1, True, id="the highest p within the limit"),
        pytest.param(1.0, 2, True, id="all within the limit"),
        pytest.param(0.0001, 0, False, id="none within the limit: the cheapest, flagged"),
    ],
)
def test_max_cost(limit, model, satisfied):
    """
    The model with the highest p and cost <= limit.
    """
    assert chosen(MaxCost(limit)) == (model, satisfied)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize(
    ("p", "cost"),
    [
        pytest.param([NAN, 0.3], [0.001, 0.1], id="p unknown"),
        pytest.param([0.99, 0.3], [NAN, 0.1], id="cost unknown"),
        pytest.param([NAN, 0.3], [NAN, 0.1], id="both unknown"),
    ],
)
def test_a_model_without_known_estimates_is_never_chosen(policy, p, cost):
    """
    An unknown probability is not 1, an unknown cost is not 0.
    """
    assert chosen(policy, p, cost)[0] == 1


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_known_estimates_give_no_choice(policy):
    """
    -1, not the first model.
    """
    assert chosen(policy, [NAN, NAN], [0.1, NAN]) == (-1, False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExpectedValue(-1), "trade_off is -1"),
        (lambda: ExpectedValue(NAN), "trade_off is nan"),
        (lambda: MinQuality(1.5), r"min_quality is 1\.5; expected a probability within 0\.\.1"),
        (lambda: MaxCost(-0.01), r"max_cost_usd is -0\.01; expected at least 0 USD"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    """
    The error names the value and the range.
    """
    with pytest.raises(ConfigError, match=message):
        make()


def test_allow_and_deny_lists_keep_pool_order():
    """
    Deny wins over allow.
    """
    pool = ("a", "b", "c", "d")

    assert filter_models(pool) == pool
    assert filter_models(pool, allowed=("d", "b", "a"), denied=("a",)) == ("b", "d")


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"allowed": ("x",)}, "allowed models x are not in the pool of a, b"),
        ({"denied": ("y",)}, "denied models y are not in the pool"),
        ({"denied": ("a", "b")}, "leave no model"),
    ],
)
def test_wrong_lists_are_refused(lists, message):
    """
    Otherwise a misspelt model in a deny list could be chosen.
    """
    with pytest.raises(ConfigError, match=message):
        filter_models(("a", "b"), **lists)


probabilities = st.one_of(st.sampled_from([NAN, 0.0, 0.5, 1.0]), st.floats(0, 1))
costs = st.one_of(st.sampled_from([NAN, 0.0, 0.01, 1.0]), st.floats(1e-7, 10))


@st.composite
def tables(draw):
    """Probabilities and costs of up to 6 questions and 5 models, many of them tied or unknown."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 5)))
    return draw(arrays(float, shape, elements=probabilities)), draw(
        arrays(float, shape, elements=costs)
    )


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@given(tables())
def test_a_decision_does_not_change_with_the_batch(policy, table):
    """
    Alone, in a batch, and in another order of the questions.
    """
    p, cost = table

    together = policy.choose(p, cost).model_q
    alone = [policy.choose(p[[q]], cost[[q]]).model_q[0] for q in range(len(p))]

    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(policy.choose(p[::-1], cost[::-1]).model_q, together[::-1])


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@given(tables(), st.randoms(use_true_random=False))
def test_a_decision_does_not_change_with_the_order_of_the_pool(policy, table, random):
    """
    Up to ties: the chosen models have the same p and the same cost.
    """
    p, cost = table
    order = list(range(p.shape[1]))
    random.shuffle(order)

    original = policy.choose(p, cost)
    shuffled = policy.choose(p[:, order], cost[:, order])

    np.testing.assert_array_equal(original.pick(p), shuffled.pick(p[:, order]))
    np.testing.assert_array_equal(original.pick(cost), shuffled.pick(cost[:, order]))


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@given(tables(), st.sampled_from([(NAN, 0.0), (1.0, NAN), (NAN, NAN)]))
def test_a_model_without_known_estimates_changes_no_decision(policy, table, unknown):
    """
    Adding a model with an unknown probability or cost to the pool has no effect.
    """
    p, cost = table
    joined = [
        np.column_stack([values, np.full(len(p), value)])
        for values, value in zip((p, cost), unknown, strict=True)
    ]

    np.testing.assert_array_equal(policy.choose(*joined).model_q, policy.choose(p, cost).model_q)


@given(tables(), st.floats(0, 1e4), st.floats(0, 1e4))
def test_predicted_cost_never_rises_with_lambda(table, one, other):
    """
    On no question does a higher lambda choose a more expensive model.
    """
    p, cost = table
    low, high = sorted([one, other])

    at_low = ExpectedValue(low).choose(p, cost).pick(cost)
    at_high = ExpectedValue(high).choose(p, cost).pick(cost)

    assert not (at_high > at_low).any()


@given(tables(), st.floats(0, 1e3))
def test_the_choice_has_the_highest_expected_value(table, trade_off):
    """
    No known model beats it by more than rounding.
    """
    p, cost = table
    value = p - trade_off * cost

    choices = ExpectedValue(trade_off).choose(p, cost)

    known = choices.model_q >= 0
    np.testing.assert_array_equal(known, ~np.isnan(value).all(axis=1))
    best = np.nanmax(value[known], axis=1)
    np.testing.assert_allclose(choices.pick(value)[known], best, atol=1e-9, rtol=1e-9)
