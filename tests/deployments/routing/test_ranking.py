import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.routing.chooser import rank_models
from scope.policy.policy import ExpectedValue, MaxCost, MinQuality

NAN = float("nan")
P = np.array([0.9, 0.6, 0.8, NAN])
USD = np.array([0.04, 0.01, 0.02, 0.001])


@pytest.mark.parametrize(
    ("policy", "order"),
    [
        pytest.param(ExpectedValue(0.0), [0, 2, 1, 3], id="right answers alone"),
        pytest.param(ExpectedValue(float("inf")), [1, 2, 0, 3], id="money alone"),
        pytest.param(ExpectedValue(8.0), [2, 0, 1, 3], id="both: .58, .52, .64"),
        pytest.param(MinQuality(0.7), [2, 0, 1, 3], id="good enough, cheapest first"),
        pytest.param(MaxCost(0.02), [2, 1, 0, 3], id="cheap enough, likeliest first"),
    ],
)
def test_models_stand_as_the_policy_would_choose_them(policy, order):
    """
    Of the last nothing is known.
    """
    assert rank_models(policy, P, USD, chosen=order[0]) == order


def test_whom_the_policy_chose_is_first():
    """
    Whatever the last bit of a utility says.
    """
    assert rank_models(ExpectedValue(0.0), P, USD, chosen=1)[0] == 1


SHARES = st.integers(0, 16).map(lambda n: n / 16)  # exact: ties are ties


@given(
    st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=6),
    st.sampled_from([ExpectedValue, MinQuality, MaxCost]),
    SHARES,
)
def test_the_order_is_that_of_choosing_again_and_again(models, policy_class, value):
    """
    Each place goes to the one the policy would take if those before it were gone.
    """
    policy = policy_class(value)
    p_m, usd_m = np.array(models).T

    order = rank_models(policy, p_m, usd_m, chosen=-1)

    left = list(range(len(models)))
    for m in order:
        (best,) = policy.choose(p_m[None, left], usd_m[None, left]).model_q
        assert (p_m[left[best]], usd_m[left[best]]) == (p_m[m], usd_m[m])
        left.remove(m)


def test_utility_is_known_where_a_trade_off_is():
    """
    p - 10 * cost; where money alone counts there is no such number.
    """
    assert ExpectedValue(10.0).utility(P, USD)[:3] == pytest.approx([0.5, 0.5, 0.6])
    assert np.isnan(ExpectedValue(float("inf")).utility(P, USD)).all()
    assert np.isnan(MinQuality(0.5).utility(P, USD)).all()
    assert np.isnan(MaxCost(0.5).utility(P, USD)).all()
