"""What one call costs."""

import numpy as np
import pytest

from scope.pool import ModelSpec, PriceTier, SpecialTokens
from scope.prices import TokenUsage, bill_usd, token_count

PLAIN = ModelSpec(id="plain", usd_per_mtok_in=1, usd_per_mtok_out=10)
FULL = ModelSpec(
    id="full",
    usd_per_mtok_in=1,
    usd_per_mtok_out=10,
    usd_per_mtok_cached_in=0.1,
    usd_per_mtok_cache_write=1.25,
    usd_per_mtok_reasoning=20,
    tiers=(
        PriceTier(
            above_prompt_tokens=200_000,
            usd_per_mtok_in=2,
            usd_per_mtok_out=15,
            usd_per_mtok_cached_in=0.2,
        ),
    ),
)
USAGES = {
    "OpenAI": {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 800, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 60},
    },
    "OpenAI's responses": {
        "input_tokens": 1000,
        "output_tokens": 100,
        "total_tokens": 1100,
        "input_tokens_details": {"cached_tokens": 800},
        "output_tokens_details": {"reasoning_tokens": 60},
    },
    "xAI, reasoning beside the completion": {
        "prompt_tokens": 1000,
        "completion_tokens": 40,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 60},
    },
    "Google, reasoning only in the total": {
        "prompt_tokens": 1000,
        "completion_tokens": 40,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 800},
    },
    "DeepSeek": {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_cache_hit_tokens": 800,
        "prompt_cache_miss_tokens": 200,
        "completion_tokens_details": {"reasoning_tokens": 60},
    },
    "Moonshot": {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "cached_tokens": 800,
        "completion_tokens_details": {"reasoning_tokens": 60},
    },
}


@pytest.mark.parametrize("provider", USAGES)
def test_every_provider_reports_the_same_call(provider):
    """
    1,000 prompt tokens, 800 of them cached; 100 completion tokens, 60 of them reasoning.
    """
    usage = TokenUsage.from_json(USAGES[provider])

    assert usage == TokenUsage(1000, 100, SpecialTokens(cached=800, reasoning=60))


ANTHROPIC = {
    "Anthropic": {
        "input_tokens": 100,
        "output_tokens": 50,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 100,
    },
    "LiteLLM for Anthropic": {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 800, "cache_creation_tokens": 100},
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 100,
    },
    "OpenRouter for Anthropic": {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 800, "cache_write_tokens": 100},
    },
    "a gateway that counts the cache beside the prompt": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 100,
    },
    "one whose total counts neither": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 100,
    },
    "the same without a total": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 100,
    },
}


@pytest.mark.parametrize("provider", ANTHROPIC)
def test_tokens_written_to_the_cache_are_told_apart(provider):
    """
    1,000 prompt tokens: 800 read from the cache, 100 written to it.
    """
    usage = TokenUsage.from_json(ANTHROPIC[provider])

    assert usage == TokenUsage(1000, 50, SpecialTokens(cached=800, cache_write=100))


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(None, id="none"),
        pytest.param([1], id="a list"),
        pytest.param({}, id="empty"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": True}, id="no counts"),
        pytest.param({"prompt_tokens": "9", "completion_tokens": 1.5}, id="text and fractions"),
        pytest.param({"prompt_tokens": 10**400, "completion_tokens": 2**31}, id="absurd"),
        pytest.param({"prompt_tokens_details": 3, "completion_tokens_details": []}, id="shapes"),
        pytest.param({"cost": -1.0, "cost_details": 1}, id="a negative cost"),
        pytest.param({"cost": float("nan"), "estimated_cost": True}, id="no cost"),
        pytest.param({"cost": 10**400, "cost_in_usd_ticks": 10**400}, id="an absurd cost"),
    ],
)
def test_what_is_no_count_is_unknown(usage):
    """
    Never 0, and never an error: the answer is paid for.
    """
    read = TokenUsage.from_json(usage)

    assert read == TokenUsage(None, None)
    assert bill_usd(PLAIN, read) is None


def test_a_whole_number_may_be_written_as_a_fraction():
    """
    JavaScript has one kind of number, and some gateways print 12.0.
    """
    assert (token_count(12.0), token_count(12.5), token_count(float("nan"))) == (12, None, None)


@pytest.mark.parametrize(
    ("price", "special", "micro_usd"),
    [
        pytest.param(PLAIN, SpecialTokens(), 2000, id="plain"),
        pytest.param(PLAIN, SpecialTokens(800, 100, 60), 2000, id="special ones without a price"),
        pytest.param(FULL, SpecialTokens(cached=800), 1280, id="cached at a tenth"),
        pytest.param(FULL, SpecialTokens(cache_write=100), 2025, id="written at a quarter more"),
        pytest.param(FULL, SpecialTokens(reasoning=60), 2600, id="reasoning at twice the price"),
        pytest.param(FULL, SpecialTokens(800, 100, 60), 1905, id="all of them"),
    ],
)
def test_special_tokens_have_their_price(price, special, micro_usd):
    """
    1,000 prompt tokens at $1 and 100 completion tokens at $10 for a million: 2,000 millionths.

    All: 100 + 800 * .1 + 100 * 1.25 + 40 * 10 + 60 * 20 = 1,905.
    """
    cost = bill_usd(price, TokenUsage(1000, 100, special))

    assert cost == pytest.approx(micro_usd * 1e-6)


@pytest.mark.parametrize(
    ("prompt_tokens", "usd"),
    [
        pytest.param(200_000, 0.2 + 0.001, id="at the limit"),
        pytest.param(200_001, 0.400002 + 0.0015, id="above it"),
    ],
)
def test_a_long_prompt_has_the_prices_of_its_tier(prompt_tokens, usd):
    """
    The whole call, completion included: $2 and $15 in place of $1 and $10.
    """
    assert bill_usd(FULL, TokenUsage(prompt_tokens, 100)) == pytest.approx(usd)


def test_cached_tokens_of_a_tier_have_its_price():
    """
    300,000 cached at $.2, and 100,000 at $2.
    """
    usage = TokenUsage(400_000, 0, SpecialTokens(cached=300_000))

    assert bill_usd(FULL, usage) == pytest.approx(0.06 + 0.2)


def test_predicted_and_real_costs_are_one_sum():
    """
    For the same tokens to the last bit; an unknown length stays unknown in every tier.
    """
    prompts = np.array([1000.0, 300_000.0, np.nan])
    predicted = FULL.cost_usd(prompts, np.full(3, 100.0))

    assert predicted[0] == bill_usd(FULL, TokenUsage(1000, 100))
    assert predicted[1] == bill_usd(FULL, TokenUsage(300_000, 100))
    assert np.isnan(predicted[2])


TOKENS = {"prompt_tokens": 1000, "completion_tokens": 100}


@pytest.mark.parametrize(
    ("reported", "usd"),
    [
        pytest.param({"cost": 0.00042}, 0.00042, id="OpenRouter"),
        pytest.param({"cost": 0}, 0.0, id="a free model"),
        pytest.param(
            {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}},
            0.0021,
            id="OpenRouter with a key of one's own: its fee, and what the provider charges",
        ),
        pytest.param(
            {"cost": 0.002, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.002}},
            0.002,
            id="OpenRouter with its own key",
        ),
        pytest.param(
            {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
            0.002,
            id="a key of one's own, what the provider charges unknown: at the price",
        ),
        pytest.param(
            {"cost": {"input_tokens_cost": 0.001, "request_cost": 0.005, "total_cost": 0.006}},
            0.006,
            id="Perplexity",
        ),
        pytest.param({"estimated_cost": 0.0007}, 0.0007, id="DeepInfra"),
        pytest.param({"cost_in_usd_ticks": 232_856_000}, 0.0232856, id="xAI"),
        pytest.param({"cost": "much"}, 0.002, id="no amount: at the price"),
    ],
)
def test_the_cost_that_the_provider_names_wins(reported, usd):
    """
    At the pool's price the call costs $.002.
    """
    usage = TokenUsage.from_json({**TOKENS, **reported})

    assert bill_usd(PLAIN, usage) == pytest.approx(usd)


def test_the_provider_prices_a_model_without_a_price():
    """
    Even where it reports no tokens.
    """
    assert bill_usd(None, TokenUsage.from_json({"cost": 0.5})) == 0.5
    assert bill_usd(None, TokenUsage.from_json(TOKENS)) is None
