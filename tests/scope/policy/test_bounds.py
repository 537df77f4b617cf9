"""Which models can still change a decision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope import ExpectedValue, MaxCost, MinQuality
from scope.policy.bounds import EstimateBounds

INF, NAN = float("inf"), float("nan")


def bounds_of(p, cost):
    """Bounds from (low, high) pairs or single numbers."""
    ends = [
        np.array([v if isinstance(v, tuple) else (v, v) for v in column], dtype=float)
        for column in (p, cost)
    ]
    return EstimateBounds(ends[0][:, 0], ends[0][:, 1], ends[1][:, 0], ends[1][:, 1])


@pytest.mark.parametrize(
    ("policy", "p", "cost", "undecided"),
    [
        pytest.param(
            ExpectedValue(0.0),
            [(0.5, 0.6), (0.1, 0.9), (0.2, 0.4)],
            [1, 1, 1],
            [1, 0],
            id="the highest possible p first; one that cannot win is decided",
        ),
        pytest.param(
            ExpectedValue(0.5),
            [(0.5, 0.6), (0.1, 0.9)],
            [0.1, 1.0],
            [],
            id="a high cost: .9 - .5 is below .5 - .05",
        ),
        pytest.param(
            ExpectedValue(1.0),
            [0.5, 0.5, (0.0, 0.1)],
            [0.1, 0.1, 0.1],
            [2],
            id="a tie that rounding decides: every undetermined model",
        ),
        pytest.param(ExpectedValue(INF), [(0, 1), (0, 1)], [1, 2], [], id="cost only, costs known"),
        pytest.param(
            ExpectedValue(INF),
            [(0.1, 0.5), (0.2, 0.9), (0, 1)],
            [1, 1, 2],
            [1, 0],
            id="cost only, equal costs: the higher p",
        ),
        pytest.param(
            ExpectedValue(INF),
            [0.5, 0.5],
            [(1, 2), (1.5, 3)],
            [0, 1],
            id="cost only, costs undetermined",
        ),
        pytest.param(
            MinQuality(0.6),
            [(0.5, 0.7), (0.65, 0.9), (0.1, 0.9)],
            [1, 2, 3],
            [0],
            id="only a cheaper model can beat one certain to reach the target",
        ),
        pytest.param(
            MinQuality(0.6),
            [(0.65, 0.7), (0.65, 0.9)],
            [1, 1],
            [1, 0],
            id="two certain to reach the target at equal cost: the higher p",
        ),
        pytest.param(
            MinQuality(0.6),
            [(0.5, 0.7), (0.3, 0.65), (0.1, 0.2)],
            [2, 1, 3],
            [1, 0],
            id="none certain to reach the target: the cheapest first",
        ),
        pytest.param(
            MinQuality(0.95),
            [(0.5, 0.7), (0.3, 0.8), (0.1, 0.4)],
            [2, 1, 3],
            [1, 0],
            id="none can reach the target: the highest p",
        ),
        pytest.param(
            MaxCost(1.5),
            [(0.5, 0.7), (0.6, 0.8), (0.1, 0.99)],
            [1, 1, 2],
            [1, 0],
            id="the highest p within the limit",
        ),
        pytest.param(
            MaxCost(0.5),
            [(0.5, 0.7), (0.6, 0.8)],
            [1, 2],
            [],
            id="none within the limit: the cheapest",
        ),
        pytest.param(
            MaxCost(1.5),
            [0.5, 0.9],
            [1, (1, 2)],
            [1],
            id="one possibly within the limit",
        ),
    ],
)
def test_the_models_that_can_change_the_decision(policy, p, cost, undecided):
    """
    In the order of queries.
    """
    assert policy.undecided_models(bounds_of(p, cost)).tolist() == undecided


@pytest.mark.parametrize(
    "policy", [ExpectedValue(0.0), ExpectedValue(INF), MinQuality(0.5), MaxCost(1.0)], ids=str
)
@pytest.mark.parametrize("unknown", [([NAN], [1]), ([(0, 1)], [NAN])])
def test_a_model_without_known_estimates_is_decided(policy, unknown):
    """
    An answer cannot replace missing estimates from the anchors.
    """
    assert policy.undecided_models(bounds_of(*unknown)).size == 0


values = st.one_of(st.sampled_from([NAN, 0.0, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def intervals(draw):
    """Two estimates for up to 5 models: the ends of their intervals."""
    n = draw(st.integers(1, 5))
    ends = [
        np.array(draw(st.lists(st.tuples(values, values), min_size=n, max_size=n)))
        for _ in ("p", "cost")
    ]
    return [np.where(np.isnan(pairs).any(axis=1)[:, None], NAN, pairs).T for pairs in ends]


@settings(max_examples=300)
@given(
    intervals(),
    st.one_of(
        st.builds(ExpectedValue, st.one_of(st.sampled_from([0.0, 1.0, INF]), st.floats(0, 100))),
        st.builds(MinQuality, st.one_of(st.just(0.5), st.floats(0, 1))),
        st.builds(MaxCost, st.one_of(st.just(0.5), st.floats(0, 1))),
    ),
    st.randoms(use_true_random=False),
)
def test_without_undecided_models_the_decision_is_fixed(case, policy, random):
    """
    Fix undecided models one after another, at either end: when none is left, every corner of
    the remaining bounds gives the same choice.
    """
    p, cost = case
    bounds = EstimateBounds(p.min(axis=0), p.max(axis=0), cost.min(axis=0), cost.max(axis=0))
    while (undecided := policy.undecided_models(bounds)).size:
        end, model = random.randint(0, 1), random.choice(undecided.tolist())
        bounds = bounds.with_fixed(model, p[end, model], cost[end, model])

    decided = set()
    for _ in range(10):
        at = [random.randint(0, 1) for _ in range(p.shape[1])]
        p_m = np.where(at, bounds.p_low_m, bounds.p_high_m)
        cost_m = np.where(at[::-1], bounds.cost_low_m, bounds.cost_high_m)
        choices = policy.choose(p_m[None], cost_m[None])
        decided.add((int(choices.model_q[0]), bool(choices.satisfied_q[0])))
    assert len(decided) == 1
