import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.protocol.decision import CandidateEstimate, Decision
from deployments.routing.sessions import SessionState
from deployments.routing.stickiness import (
    is_not_worth_switching,
    keeps_session_model,
    switching_cost_usd,
)
from deployments.settings.settings import SessionSettings
from scope.policy import ExpectedValue, MaxCost, MinQuality
from scope.pool import ModelSpec, PriceTier
from scope.routing import Objective

SMALL = ModelSpec(id="small", usd_per_mtok_in=1.0, usd_per_mtok_out=2.0)
LARGE = ModelSpec(id="large", usd_per_mtok_in=10.0, usd_per_mtok_out=20.0)
MODELS = {"small": SMALL, "large": LARGE}
SHARES = st.floats(0, 1)


def candidate(model, p_correct, cost_usd):
    return CandidateEstimate(model, p_correct=p_correct, cost_usd=cost_usd)


@pytest.mark.parametrize(
    ("held", "best", "cost_weight", "switching_usd", "margin", "keeps"),
    [
        pytest.param((0.6, 0.01), (0.8, 0.01), 0, 0, 0.1, False, id="gain above margin"),
        pytest.param((0.6, 0.01), (0.8, 0.01), 0, 0, 0.3, True, id="gain below margin"),
        pytest.param(
            (0.6, 0.01), (0.8, 0.01), 10, 0.03, 0, True, id="cache worth more than the gain"
        ),
        pytest.param(
            (0.6, 0.01), (0.8, 0.01), 10, 0.01, 0, False, id="gain worth more than the cache"
        ),
        pytest.param((0.8, 0.05), (0.8, 0.01), 10, 0.0, 0.1, False, id="saving above margin"),
        pytest.param((0.9, 0.05), (0.2, 0.01), math.inf, 0.03, 1, False, id="cost only: saves"),
        pytest.param((0.9, 0.05), (0.2, 0.01), math.inf, 0.05, 0, True, id="cost only: loses"),
        pytest.param((0.9, 0.05), (0.9, 0.05), math.inf, 0.0, 0, True, id="cost only: equal"),
        pytest.param((math.nan, 0.01), (0.2, 0.01), 1, 9.0, 1, False, id="held model unknown"),
    ],
)
def test_a_session_switches_only_for_a_net_gain(
    held, best, cost_weight, switching_usd, margin, keeps
):
    """
    Each row is small enough to check by hand.
    """
    got = is_not_worth_switching(
        candidate("held", *held),
        candidate("best", *best),
        cost_weight=cost_weight,
        switching_usd=switching_usd,
        margin=margin,
    )

    assert got is keeps


@given(SHARES, SHARES, SHARES, SHARES, SHARES)
def test_a_longer_conversation_never_makes_switching_easier(p_held, p_best, usd, extra, margin):
    """
    Where the other model's prompts cost at least as much as cached ones.
    """
    held, best = candidate("held", p_held, usd), candidate("best", p_best, usd)
    short, long = (
        is_not_worth_switching(
            held, best, cost_weight=5.0, switching_usd=tokens * extra / 1e6, margin=margin
        )
        for tokens in (1_000, 100_000)
    )

    assert long or not short


@pytest.mark.parametrize(
    ("held", "best", "discount", "usd"),
    [
        pytest.param(LARGE, SMALL, 0.9, 0.0, id="cached large costs as much as small"),
        pytest.param(LARGE, SMALL, 0.0, -0.9, id="no cache: small is cheaper"),
        pytest.param(SMALL, LARGE, 1.0, 1.0, id="free cache: large at full price"),
    ],
)
def test_a_switch_pays_for_the_whole_conversation(held, best, discount, usd):
    """
    A hundred thousand tokens at both prices.
    """
    assert switching_cost_usd(100_000, held, best, cache_discount=discount) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("cached", "tokens", "usd"),
    [
        pytest.param(None, 100_000, 0.05, id="unknown: the discount of the settings"),
        pytest.param(0.25, 100_000, 0.075, id="a quarter"),
        pytest.param(0.0, 100_000, 0.1, id="free"),
        pytest.param(0.25, 300_000, -0.3, id="above the limit of a tier: 1 - 2"),
    ],
)
def test_a_warm_cache_is_worth_the_models_own_price(cached, tokens, usd):
    """
    The held model has the conversation cached; the other reads it at $1 for a million tokens.
    """
    tier = PriceTier(
        above_prompt_tokens=200_000,
        usd_per_mtok_in=3,
        usd_per_mtok_out=1,
        usd_per_mtok_cached_in=2,
    )
    best = ModelSpec(id="best", usd_per_mtok_in=1, usd_per_mtok_out=1)
    held = ModelSpec(
        id="held",
        usd_per_mtok_in=1,
        usd_per_mtok_out=1,
        usd_per_mtok_cached_in=cached,
        tiers=(tier,),
    )

    assert switching_cost_usd(tokens, held, best, cache_discount=0.5) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("policy", "cost_weight"),
    [
        pytest.param(ExpectedValue(40.0), 40.0, id="the trade-off"),
        pytest.param(ExpectedValue(math.inf), math.inf, id="alpha 0: cost only"),
        pytest.param(MinQuality(0.7), math.inf, id="reaches the target: cost only"),
        pytest.param(MinQuality(0.9), None, id="misses the target"),
        pytest.param(MaxCost(0.1), 0.0, id="within the limit: correct answers only"),
        pytest.param(MaxCost(0.001), None, id="over the limit"),
    ],
)
def test_each_policy_weighs_cost_against_correct_answers(policy, cost_weight):
    """
    None if the held model does not meet the constraint.
    """
    assert policy.cost_weight(0.8, 0.01) == cost_weight


def decision_for(model, small=(0.7, 0.001), large=(0.8, 0.01)):
    """Return a decision between two models, with a trade-off of 10 correct answers per USD."""
    return Decision(
        model,
        ("small", "large"),
        "",
        Objective(alpha=0.5),
        ExpectedValue(10.0),
        candidates=(candidate("small", *small), candidate("large", *large)),
    )


@pytest.mark.parametrize(
    ("decision", "held", "is_tool_turn", "kept"),
    [
        pytest.param(decision_for("small"), "small", False, True, id="same model"),
        pytest.param(
            decision_for("large"), "small", False, True, id="gain below the cost of the cache"
        ),
        pytest.param(
            decision_for("large", small=(0.1, 0.001)), "small", False, False, id="gain above"
        ),
        pytest.param(
            decision_for("large", small=(0.1, 0.001)), "small", True, True, id="tools only"
        ),
        pytest.param(decision_for("large"), "gone", True, False, id="no longer a candidate"),
        pytest.param(
            decision_for("large", small=(math.nan, math.nan)), "small", False, False, id="unknown"
        ),
        pytest.param(decision_for(None), "small", False, True, id="no decision"),
    ],
)
def test_a_session_keeps_its_model(decision, held, is_tool_turn, kept):
    """
    Five thousand tokens are cached: reading them with large costs 0.05 USD more.
    """
    got = keeps_session_model(
        decision, SessionState(held, 5_000), MODELS, SessionSettings(), is_tool_turn=is_tool_turn
    )

    assert got is kept


@pytest.mark.parametrize(
    ("held", "best", "usd"),
    [
        pytest.param("s@3", "s", 0.0, id="one prompt cache"),
        pytest.param("s", "s#high", 0.0, id="another effort"),
        pytest.param("s", "l@2", 1.9, id="each sample reads: 2 × 1 − .1 × 1"),
        pytest.param("s@3", "l", 0.7, id="each sample had it cached: 1 − 3 × .1"),
    ],
)
def test_arms_of_a_model_share_its_prompt_cache(held, best, usd):
    """
    A million tokens at 1 USD, of which a cached one costs a tenth.
    """
    specs = [ModelSpec(id=arm, usd_per_mtok_in=1, usd_per_mtok_out=1) for arm in (held, best)]

    assert switching_cost_usd(1_000_000, *specs, cache_discount=0.9) == pytest.approx(usd)
