import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.protocol.decision import Decision
from deployments.routing.sessions import SessionState
from deployments.routing.stickiness import (
    CandidateEstimate,
    cost_weight_of,
    is_not_worth_switching,
    keeps_session_model,
    switching_cost_usd,
)
from deployments.settings.settings import SessionSettings
from scope.pool import ModelSpec

SMALL = ModelSpec(id="small", usd_per_mtok_in=1.0, usd_per_mtok_out=2.0)
LARGE = ModelSpec(id="large", usd_per_mtok_in=10.0, usd_per_mtok_out=20.0)
MODELS = {"small": SMALL, "large": LARGE}
SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("held", "best", "trade_off", "switching_usd", "margin", "stay"),
    [
        pytest.param((0.6, 0.01), (0.8, 0.01), 0, 0, 0.1, False, id="gain above margin"),
        pytest.param((0.6, 0.01), (0.8, 0.01), 0, 0, 0.3, True, id="gain below margin"),
        pytest.param((0.6, 0.01), (0.8, 0.01), 10, 0.03, 0, True, id="cache worth more than gain"),
        pytest.param((0.6, 0.01), (0.8, 0.01), 10, 0.01, 0, False, id="gain worth more than cache"),
        pytest.param((0.8, 0.05), (0.8, 0.01), 10, 0.0, 0.1, False, id="saving above margin"),
        pytest.param((0.9, 0.05), (0.2, 0.01), math.inf, 0.03, 1, False, id="money alone: saves"),
        pytest.param((0.9, 0.05), (0.2, 0.01), math.inf, 0.05, 0, True, id="money alone: loses"),
        pytest.param((0.9, 0.05), (0.9, 0.05), math.inf, 0.0, 0, True, id="money alone: equal"),
        pytest.param((math.nan, 0.01), (0.2, 0.01), 1, 9.0, 1, False, id="held is unknown"),
    ],
)
def test_a_session_switches_only_for_more_than_it_loses(
    held, best, trade_off, switching_usd, margin, stay
):
    """
    Each row is small enough to check by hand.
    """
    got = is_not_worth_switching(
        CandidateEstimate(*held),
        CandidateEstimate(*best),
        trade_off=trade_off,
        switching_usd=switching_usd,
        margin=margin,
    )

    assert got is stay


@given(SHARES, SHARES, SHARES, SHARES, SHARES)
def test_a_longer_conversation_never_makes_switching_easier(p_held, p_best, usd, extra, margin):
    """
    To a model whose prompts are no cheaper than cached ones.
    """
    held, best = CandidateEstimate(p_held, usd), CandidateEstimate(p_best, usd)
    short, long = (
        is_not_worth_switching(
            held, best, trade_off=5.0, switching_usd=tokens * extra / 1e6, margin=margin
        )
        for tokens in (1_000, 100_000)
    )

    assert long or not short


@pytest.mark.parametrize(
    ("held", "best", "discount", "usd"),
    [
        pytest.param(LARGE, SMALL, 0.9, 0.0, id="cached large costs what small does"),
        pytest.param(LARGE, SMALL, 0.0, -0.9, id="no cache: small is cheaper"),
        pytest.param(SMALL, LARGE, 1.0, 1.0, id="free cache: large is paid in full"),
    ],
)
def test_switching_means_reading_everything_anew(held, best, discount, usd):
    """
    A hundred thousand tokens at both prices.
    """
    assert switching_cost_usd(100_000, held, best, cache_discount=discount) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("settings", "trade_off"),
    [
        pytest.param({"alpha": 0.5, "trade_off": 40.0}, 40.0, id="dial"),
        pytest.param({"alpha": 0.0, "trade_off": None}, math.inf, id="dial at its cheap end"),
        pytest.param({"min_quality": 0.7}, math.inf, id="good enough: money alone"),
        pytest.param({"min_quality": 0.9}, None, id="not good enough"),
        pytest.param({"max_cost_usd": 0.1}, 0.0, id="cheap enough: right answers alone"),
        pytest.param({"max_cost_usd": 0.001}, None, id="too dear"),
    ],
)
def test_every_policy_has_its_price_of_a_right_answer(settings, trade_off):
    """
    Or says that the held model will not do.
    """
    assert cost_weight_of(settings, CandidateEstimate(0.8, 0.01)) == trade_off


def decided(model, small=(0.7, 0.001), large=(0.8, 0.01)):
    """Return a decision between two models, worth 10 right answers a USD."""
    candidates = [
        {"model": name, "p_correct": p, "cost_usd": usd}
        for name, (p, usd) in {"small": small, "large": large}.items()
    ]
    settings = {"trade_off": 10.0}
    order = ("small", "large")
    return Decision(model, order, "expected_value", settings, "", candidates=tuple(candidates))


@pytest.mark.parametrize(
    ("decision", "held", "continues", "kept"),
    [
        pytest.param(decided("small"), "small", False, True, id="the same again"),
        pytest.param(decided("large"), "small", False, True, id="gain below the lost cache"),
        pytest.param(decided("large", small=(0.1, 0.001)), "small", False, False, id="gain above"),
        pytest.param(decided("large", small=(0.1, 0.001)), "small", True, True, id="tools only"),
        pytest.param(decided("large"), "gone", True, False, id="no candidate any more"),
        pytest.param(decided("large", small=(None, None)), "small", False, False, id="unknown"),
        pytest.param(decided(None), "small", False, True, id="nothing was decided"),
    ],
)
def test_a_session_keeps_its_model(decision, held, continues, kept):
    """
    Five thousand tokens are cached: reading them anew with large costs small 0.05 USD more.
    """
    got = keeps_session_model(
        decision, SessionState(held, 5_000), MODELS, SessionSettings(), continues=continues
    )

    assert got is kept
