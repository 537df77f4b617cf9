"""Which answers could still change a decision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope import ExpectedValue, MaxCost, MinQuality
from scope.policy.bounds import EstimateBounds

INF, NAN = float("inf"), float("nan")


def box_of(p, cost):
    """A box of (low, high) pairs or single numbers."""
    ends = [
        np.array([one if isinstance(one, tuple) else (one, one) for one in column], dtype=float)
        for column in (p, cost)
    ]
    return EstimateBounds(ends[0][:, 0], ends[0][:, 1], ends[1][:, 0], ends[1][:, 1])


@pytest.mark.parametrize(
    ("policy", "p", "cost", "asked"),
    [
        pytest.param(
            ExpectedValue(0.0),
            [(0.5, 0.6), (0.1, 0.9), (0.2, 0.4)],
            [1, 1, 1],
            [1, 0],
            id="the likeliest at best first, the hopeless never",
        ),
        pytest.param(
            ExpectedValue(0.5),
            [(0.5, 0.6), (0.1, 0.9)],
            [0.1, 1.0],
            [],
            id="a high price: .9 - .5 is below .5 - .05",
        ),
        pytest.param(
            ExpectedValue(1.0),
            [0.5, 0.5, (0.0, 0.1)],
            [0.1, 0.1, 0.1],
            [2],
            id="a tie that rounding decides: everybody",
        ),
        pytest.param(
            ExpectedValue(INF), [(0, 1), (0, 1)], [1, 2], [], id="money only, costs are known"
        ),
        pytest.param(
            ExpectedValue(INF),
            [(0.1, 0.5), (0.2, 0.9), (0, 1)],
            [1, 1, 2],
            [1, 0],
            id="money only, equal costs: the likelier",
        ),
        pytest.param(
            ExpectedValue(INF), [0.5, 0.5], [(1, 2), (1.5, 3)], [0, 1], id="money only, open costs"
        ),
        pytest.param(
            MinQuality(0.6),
            [(0.5, 0.7), (0.65, 0.9), (0.1, 0.9)],
            [1, 2, 3],
            [0],
            id="only a cheaper one can beat who is surely good enough",
        ),
        pytest.param(
            MinQuality(0.6),
            [(0.65, 0.7), (0.65, 0.9)],
            [1, 1],
            [1, 0],
            id="two surely good enough for one price: the likelier",
        ),
        pytest.param(
            MinQuality(0.6),
            [(0.5, 0.7), (0.3, 0.65), (0.1, 0.2)],
            [2, 1, 3],
            [1, 0],
            id="perhaps good enough: the cheapest first",
        ),
        pytest.param(
            MinQuality(0.95),
            [(0.5, 0.7), (0.3, 0.8), (0.1, 0.4)],
            [2, 1, 3],
            [1, 0],
            id="none can be: who may be the likeliest",
        ),
        pytest.param(
            MaxCost(1.5),
            [(0.5, 0.7), (0.6, 0.8), (0.1, 0.99)],
            [1, 1, 2],
            [1, 0],
            id="the likeliest of those who are cheap enough",
        ),
        pytest.param(
            MaxCost(0.5), [(0.5, 0.7), (0.6, 0.8)], [1, 2], [], id="none is: the cheapest"
        ),
        pytest.param(
            MaxCost(1.5),
            [0.5, 0.9],
            [1, (1, 2)],
            [1],
            id="perhaps cheap enough",
        ),
    ],
)
def test_who_may_change_the_decision(policy, p, cost, asked):
    """
    In the order to ask.
    """
    assert policy.undecided_models(box_of(p, cost)).tolist() == asked


@pytest.mark.parametrize(
    "policy", [ExpectedValue(0.0), ExpectedValue(INF), MinQuality(0.5), MaxCost(1.0)], ids=str
)
@pytest.mark.parametrize("unknown", [([NAN], [1]), ([(0, 1)], [NAN])])
def test_who_is_unknown_is_not_asked(policy, unknown):
    """
    No answer makes up for what the anchors do not know.
    """
    assert policy.undecided_models(box_of(*unknown)).size == 0


values = st.one_of(st.sampled_from([NAN, 0.0, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def boxes(draw):
    """Two points of up to 5 models: two ways in which the answers may fall out."""
    n = draw(st.integers(1, 5))
    ends = [
        np.array(draw(st.lists(st.tuples(values, values), min_size=n, max_size=n)))
        for _ in ("p", "cost")
    ]
    return [np.where(np.isnan(one).any(axis=1)[:, None], NAN, one).T for one in ends]


@settings(max_examples=300)
@given(
    boxes(),
    st.one_of(
        st.builds(ExpectedValue, st.one_of(st.sampled_from([0.0, 1.0, INF]), st.floats(0, 100))),
        st.builds(MinQuality, st.one_of(st.just(0.5), st.floats(0, 1))),
        st.builds(MaxCost, st.one_of(st.just(0.5), st.floats(0, 1))),
    ),
    st.randoms(use_true_random=False),
)
def test_where_nobody_is_left_the_decision_is_made(case, policy, random):
    """
    Settled one after another, at either end: once no contender is left, every corner of what
    is still open gives one choice.
    """
    p, cost = case
    box = EstimateBounds(p.min(axis=0), p.max(axis=0), cost.min(axis=0), cost.max(axis=0))
    while (asked := policy.undecided_models(box)).size:
        end, model = random.randint(0, 1), random.choice(asked.tolist())
        box = box.with_fixed(model, p[end, model], cost[end, model])

    decided = set()
    for _ in range(10):
        at = [random.randint(0, 1) for _ in range(p.shape[1])]
        p_m = np.where(at, box.p_low_m, box.p_high_m)
        cost_m = np.where(at[::-1], box.cost_low_m, box.cost_high_m)
        choices = policy.choose(p_m[None], cost_m[None])
        decided.add((int(choices.model_q[0]), bool(choices.satisfied_q[0])))
    assert len(decided) == 1
