"""List prices of providers, as the installed release of genai-prices has them."""

from datetime import UTC, datetime

import pytest

from scope.errors import ConfigError
from scope.pool import ModelSpec, PriceTier
from scope.prices import catalogue_price, fill_in, list_prices

NOW = datetime(2026, 11, 28, tzinfo=UTC)
OPENAI, ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com/v1"
OPENROUTER = "https://openrouter.ai/api/v1"


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        pytest.param("gpt-4o", OPENAI, id="at its maker"),
        pytest.param("openai/gpt-4o", OPENROUTER, id="at OpenRouter, by its name there"),
    ],
)
def test_a_known_provider_has_list_prices(model, base_url):
    """
    $2.50 and $10, cached tokens at half the price.
    """
    assert catalogue_price(model, base_url, NOW) == ModelSpec(
        id=model, usd_per_mtok_in=2.5, usd_per_mtok_out=10, usd_per_mtok_cached_in=1.25
    )


def test_long_prompts_have_their_tier():
    """
    Claude Sonnet 4.5: twice the price for prompts above 200,000 tokens, answers at half more.
    """
    price = catalogue_price("claude-sonnet-4-5", ANTHROPIC, NOW)

    assert price.tiers == (
        PriceTier(
            above_prompt_tokens=200_000,
            usd_per_mtok_in=6,
            usd_per_mtok_out=22.5,
            usd_per_mtok_cached_in=0.6,
            usd_per_mtok_cache_write=7.5,
        ),
    )


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        pytest.param("gpt-4o", "http://localhost:8000/v1", id="a server of one's own"),
        pytest.param("gpt-4o", "http://vllm:8000/v1", id="a service of the cluster"),
        pytest.param("gpt-4o", "http://10.0.0.7:8000/v1", id="an address"),
        pytest.param("gpt-4o", "http://[::1]:8000/v1", id="an address of version 6"),
        pytest.param("gpt-4o", "https://llm.example.com/v1", id="an unknown provider"),
        pytest.param("our-model", OPENAI, id="an unknown model"),
        pytest.param("gpt-image-1", "not a URL", id="no address"),
    ],
)
def test_what_is_not_known_has_no_list_price(model, base_url):
    """
    A model on a server of one's own does not cost what its maker charges.
    """
    assert catalogue_price(model, base_url, NOW) is None


KNOWN = ModelSpec(
    id="m",
    usd_per_mtok_in=2,
    usd_per_mtok_out=10,
    usd_per_mtok_cached_in=0.2,
    usd_per_mtok_cache_write=2.5,
    tiers=(
        PriceTier(
            above_prompt_tokens=200_000,
            usd_per_mtok_in=4,
            usd_per_mtok_out=15,
            usd_per_mtok_cached_in=0.4,
        ),
    ),
)


def test_what_a_pool_does_not_state_is_in_proportion():
    """
    At half the list price for prompts and a tenth for answers, so are cached tokens and tiers.
    """
    pool = ModelSpec(id="m", usd_per_mtok_in=1, usd_per_mtok_out=1)

    filled = fill_in(pool, KNOWN)

    assert (filled.usd_per_mtok_in, filled.usd_per_mtok_out) == (1, 1)
    assert (filled.usd_per_mtok_cached_in, filled.usd_per_mtok_cache_write) == (0.1, 1.25)
    assert filled.tiers == (
        PriceTier(
            above_prompt_tokens=200_000,
            usd_per_mtok_in=2,
            usd_per_mtok_out=1.5,
            usd_per_mtok_cached_in=0.2,
        ),
    )


def test_what_a_pool_states_stays():
    """
    A contract may have other discounts than the list.
    """
    tier = PriceTier(above_prompt_tokens=9, usd_per_mtok_in=1, usd_per_mtok_out=1)
    pool = ModelSpec(
        id="m",
        usd_per_mtok_in=1,
        usd_per_mtok_out=1,
        usd_per_mtok_cached_in=0.9,
        usd_per_mtok_cache_write=1,
        tiers=(tier,),
    )

    assert fill_in(pool, KNOWN) == pool


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(None, id="no list price"),
        pytest.param(KNOWN.model_copy(update={"usd_per_mtok_in": 0.0}), id="a free model"),
    ],
)
def test_without_a_list_price_nothing_is_filled_in(known):
    """
    A share of nothing is unknown.
    """
    pool = ModelSpec(id="m", usd_per_mtok_in=1, usd_per_mtok_out=1)

    assert fill_in(pool, known) == pool


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o"])
def test_a_list_price_by_name(name):
    """
    With the provider in front or without.
    """
    price = list_prices([name])[name]

    assert (price.id, price.usd_per_mtok_in, price.usd_per_mtok_out) == (name, 2.5, 10.0)


def test_names_without_a_list_price():
    with pytest.raises(ConfigError, match="no list price is known of mine, yours; give a price"):
        list_prices(["gpt-4o", "mine", "yours"])
