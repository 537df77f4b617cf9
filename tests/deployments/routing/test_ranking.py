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
        pytest.param(ExpectedValue(0.0), [0, 2, 1, 3], id="correct answers only"),
        pytest.param(ExpectedValue(float("inf")), [1, 2, 0, 3], id="cost only"),
        pytest.param(ExpectedValue(8.0), [2, 0, 1, 3], id="both: .58, .52, .64"),
        pytest.param(MinQuality(0.7), [2, 0, 1, 3], id="reach the target, cheapest first"),
        pytest.param(MaxCost(0.02), [2, 1, 0, 3], id="within the limit, highest p first"),
    ],
)
def test_models_are_ranked_by_the_policy(policy, order):
    """
    The last has no known estimates.
    """
    assert rank_models(policy, P, USD, chosen=order[0]) == order


def test_the_chosen_model_is_first():
    """
    Whatever the rounding of the utilities.
    """
    assert rank_models(ExpectedValue(0.0), P, USD, chosen=1)[0] == 1


SHARES = st.integers(0, 16).map(lambda n: n / 16)  # exact: ties are ties


@given(
    st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=6),
    st.sampled_from([ExpectedValue, MinQuality, MaxCost]),
    SHARES,
)
def test_the_ranking_is_that_of_repeated_choice(models, policy_class, value):
    """
    Each rank goes to the model that the policy chooses without those before it.
    """
    policy = policy_class(value)
    p_m, usd_m = np.array(models).T

    order = rank_models(policy, p_m, usd_m, chosen=-1)

    left = list(range(len(models)))
    for m in order:
        (best,) = policy.choose(p_m[None, left], usd_m[None, left]).model_q
        assert (p_m[left[best]], usd_m[left[best]]) == (p_m[m], usd_m[m])
        left.remove(m)


def test_only_a_finite_trade_off_has_a_utility():
    """
    p - 10 * cost; NaN elsewhere.
    """
    assert ExpectedValue(10.0).utility(P, USD)[:3] == pytest.approx([0.5, 0.5, 0.6])
    assert np.isnan(ExpectedValue(float("inf")).utility(P, USD)).all()
    assert np.isnan(MinQuality(0.5).utility(P, USD)).all()
    assert np.isnan(MaxCost(0.5).utility(P, USD)).all()
