import json

import pytest

from scope.errors import ConfigError, ScopeWarning, UnknownPriceError
from scope.pool import PriceTier
from scope.prices import load_prices, select_specs

LITELLM = {
    "sample_spec": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "mode": "chat"},
    "gpt-4o": {
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "max_input_tokens": 128000,
        "supports_vision": True,
        "supports_function_calling": True,
        "supports_reasoning": False,
    },
    "free-model": {
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "max_input_tokens": "unknown",
    },
    "dall-e-3": {"input_cost_per_pixel": 4e-8, "mode": "image_generation"},
}
OPENROUTER = {
    "data": [
        {
            "id": "gpt-4o",
            "name": "OpenAI: GPT-4o",
            "context_length": 128000,
            "architecture": {"input_modalities": ["text", "image"]},
            "supported_parameters": ["max_tokens", "tools", "structured_outputs"],
            "pricing": {
                "prompt": "0.0000025",
                "completion": "0.00001",
                "input_cache_read": "0.00000125",
                "internal_reasoning": "0",
                "request": "0",
            },
        }
    ]
}
ODD = {
    "good": {"input": 1, "output": 2},
    "negative": {"input": -1, "output": 2},
    "text": {"input": "1", "output": 2},
    "half": {"input": 1},
    "no object": 3,
    "huge": {"input": float("inf"), "output": 2},
    "backwards": {
        "input": 1,
        "output": 2,
        "tiers": [{"above": 9, "input": 1, "output": 1}, {"above": 5, "input": 1, "output": 1}],
    },
    "no tiers": {"input": 1, "output": 2, "tiers": "many"},
}


def prices_of(tmp_path, data):
    path = tmp_path / "prices.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return load_prices(path)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"gpt-4o": {"input": 2.5, "output": 10}}, id="the reference's form"),
        pytest.param([{"model": "gpt-4o", "input": 2.5, "output": 10}], id="the same as a list"),
        pytest.param(LITELLM, id="LiteLLM's catalogue"),
        pytest.param(OPENROUTER, id="OpenRouter's list of models"),
        pytest.param(OPENROUTER["data"], id="the rows of that list"),
    ],
)
def test_every_format_gives_the_same_price(tmp_path, data):
    """
    $2.5 and $10 for a million tokens, however it is written down.
    """
    spec = prices_of(tmp_path, data)["gpt-4o"]

    assert (spec.usd_per_mtok_in, spec.usd_per_mtok_out) == (2.5, 10.0)


def test_litellm_gives_context_window_and_capabilities(tmp_path):
    """
    Flags that are true become capabilities; a window that is not a number is unknown.
    """
    prices = prices_of(tmp_path, LITELLM)

    assert prices["gpt-4o"].context_window == 128_000
    assert prices["gpt-4o"].capabilities == ("function_calling", "vision")
    assert prices["free-model"].context_window is None


def test_litellm_entries_without_token_prices_are_skipped(tmp_path):
    """
    Images have no token price; the sample entry is not a model. A price of 0 is kept.
    """
    assert set(prices_of(tmp_path, LITELLM)) == {"gpt-4o", "free-model"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            {"a": {"input": -1, "output": 1}}, "price of 'a'.*usd_per_mtok_in", id="negative"
        ),
        pytest.param({"a": {"input": "1", "output": 1}}, "price of 'a'.*valid number", id="text"),
        pytest.param({"a": {"input": 1}}, "price of 'a'.*usd_per_mtok_out", id="one missing"),
        pytest.param('{"a": {"input": NaN, "output": 1}}', "finite number", id="NaN"),
        pytest.param({"a": 3}, "unknown form", id="a bare number"),
        pytest.param("7", "unknown form", id="no object at all"),
        pytest.param("{", "line 1", id="broken JSON"),
        pytest.param({}, "prices no model", id="empty"),
        pytest.param(
            [{"model": "a", "input": 1, "output": usd} for usd in (1, 2)],
            "same model twice: 'a'",
            id="two prices",
        ),
        pytest.param("[" * 100_000, "deeper than 100 levels", id="nested without end"),
        pytest.param('{"a": ' + "[" * 200 + "]" * 200 + "}", "deeper than 100 levels", id="nested"),
        pytest.param('{"a": {"input": ' + "1" * 5000 + "}}", "4300 digits", id="endless number"),
    ],
)
def test_a_wrong_price_file_is_refused_with_its_reason(tmp_path, data, message):
    """
    The message names the file and the wrong value.
    """
    with pytest.raises(ConfigError, match=f"(?s)prices.json.*{message}"):
        prices_of(tmp_path, data)


def test_a_model_without_a_price_is_an_error(tmp_path):
    """
    In the published code such a model costs nothing and is always the cheapest.
    """
    prices = prices_of(tmp_path, {"a": {"input": 1, "output": 1}})

    with pytest.raises(UnknownPriceError, match=r"model 'b' has no price in prices\.json"):
        select_specs(prices, ("a", "b"), "prices.json")


@pytest.mark.parametrize("name", [name for name in ODD if name != "good"])
def test_an_odd_entry_is_left_out_with_a_warning(tmp_path, name):
    """
    One entry of a catalogue of thousands does not refuse the others.
    """
    with pytest.warns(ScopeWarning, match=rf"prices\.json: left out '{name}'; .*'{name}'"):
        prices = prices_of(tmp_path, {"good": ODD["good"], name: ODD[name]})

    assert list(prices) == ["good"]


@pytest.mark.parametrize("name", [name for name in ODD if name != "good"])
def test_an_odd_entry_that_is_asked_for_is_an_error(tmp_path, name):
    """
    It says what is wrong with the entry, not that there is none.
    """
    with pytest.warns(ScopeWarning):
        prices = prices_of(tmp_path, ODD)

    with pytest.raises(ConfigError, match=rf"prices\.json: price of '{name}'"):
        select_specs(prices, ("good", name), "prices.json")


def test_an_entry_without_a_name_is_left_out(tmp_path):
    """
    It is called by its place in the list.
    """
    with pytest.warns(ScopeWarning, match="left out 'entry 2'"):
        prices = prices_of(
            tmp_path, [{"model": "a", "input": 1, "output": 1}, {"input": 1, "output": 1}]
        )

    assert list(prices) == ["a"]


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        pytest.param("gpt-4o", "'openai/gpt-4o'", id="without its provider"),
        pytest.param("openai/gpt-4o", "'gpt-4o'", id="with a provider"),
        pytest.param("gpt-4o#low@3", "'openai/gpt-4o'", id="an arm"),
        pytest.param("claude-sonet-4-5", "'claude-sonnet-4-5'", id="a letter missing"),
    ],
)
def test_a_near_name_is_hinted(tmp_path, asked, near):
    """
    Catalogues call one model by several names.
    """
    names = {"claude-sonnet-4-5", "mistral-large", near.strip("'")}
    prices = prices_of(tmp_path, {name: {"input": 1, "output": 1} for name in sorted(names)})

    with pytest.raises(UnknownPriceError, match=f"did you mean {near}"):
        select_specs(prices, (asked,), "prices.json")


def test_no_name_is_hinted_where_none_is_near(tmp_path):
    """
    A hint that is far off misleads.
    """
    prices = prices_of(tmp_path, {"mistral-large": {"input": 1, "output": 1}})

    with pytest.raises(UnknownPriceError) as error:
        select_specs(prices, ("gpt-4o",), "prices.json")

    assert "did you mean" not in str(error.value)


def test_openrouter_says_what_a_model_supports(tmp_path):
    """
    In the words of LiteLLM's catalogue. "0" for reasoning means that it has no price of its own.
    """
    spec = prices_of(tmp_path, OPENROUTER)["gpt-4o"]

    assert (spec.context_window, spec.capabilities) == (
        128_000,
        ("function_calling", "response_schema", "vision"),
    )
    assert (spec.usd_per_mtok_cached_in, spec.usd_per_mtok_reasoning) == (1.25, None)


def test_a_model_whose_price_varies_is_left_out(tmp_path):
    """
    OpenRouter's list says -1 for its own router.
    """
    auto = {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}}

    with pytest.warns(ScopeWarning, match=r"left out 'openrouter/auto'; .*usd_per_mtok_in"):
        prices = prices_of(tmp_path, {"data": [*OPENROUTER["data"], auto]})

    assert list(prices) == ["gpt-4o"]


TIERED = {
    "ours": {
        "m": {
            "input": 1.25,
            "output": 10,
            "cached_input": 0.125,
            "cache_write": 1.5,
            "tiers": [
                {
                    "above": 200_000,
                    "input": 2.5,
                    "output": 15,
                    "cached_input": 0.25,
                    "cache_write": 3,
                }
            ],
        }
    },
    "LiteLLM's fields": {
        "m": {
            "input_cost_per_token": 1.25e-6,
            "output_cost_per_token": 1e-5,
            "cache_read_input_token_cost": 1.25e-7,
            "cache_creation_input_token_cost": 1.5e-6,
            "input_cost_per_token_above_200k_tokens": 2.5e-6,
            "output_cost_per_token_above_200k_tokens": 1.5e-5,
            "cache_read_input_token_cost_above_200k_tokens": 2.5e-7,
            "cache_creation_input_token_cost_above_200k_tokens": 3e-6,
            "cache_creation_input_token_cost_above_1hr": 2.5e-6,
        }
    },
    "LiteLLM's ranges": {
        "m": {
            "mode": "chat",
            "tiered_pricing": [
                {
                    "range": [0, 200_000],
                    "input_cost_per_token": 1.25e-6,
                    "output_cost_per_token": 1e-5,
                    "cache_read_input_token_cost": 1.25e-7,
                    "cache_creation_input_token_cost": 1.5e-6,
                },
                {
                    "range": [200_000, 1_000_000],
                    "input_cost_per_token": 2.5e-6,
                    "output_cost_per_token": 1.5e-5,
                    "cache_read_input_token_cost": 2.5e-7,
                    "cache_creation_input_token_cost": 3e-6,
                },
            ],
        }
    },
    "OpenRouter's": {
        "data": [
            {
                "id": "m",
                "pricing": {
                    "prompt": "0.00000125",
                    "completion": "0.00001",
                    "input_cache_read": "0.000000125",
                    "input_cache_write": "0.0000015",
                    "overrides": [
                        {
                            "min_prompt_tokens": 200_001,
                            "prompt": "0.0000025",
                            "completion": "0.000015",
                            "input_cache_read": "0.00000025",
                            "input_cache_write": "0.000003",
                        },
                        {"utc_start": 0, "utc_end": 1200, "prompt": "0.000001"},
                    ],
                },
            }
        ]
    },
}


@pytest.mark.parametrize("form", TIERED)
def test_every_form_gives_the_same_tiers(tmp_path, form):
    """
    Gemini 2.5 Pro: twice the price for prompts above 200,000 tokens, cached ones at a tenth.
    """
    spec = prices_of(tmp_path, TIERED[form])["m"]

    assert (spec.usd_per_mtok_in, spec.usd_per_mtok_out) == (1.25, 10)
    assert (spec.usd_per_mtok_cached_in, spec.usd_per_mtok_cache_write) == (0.125, 1.5)
    assert spec.tiers == (
        PriceTier(
            above_prompt_tokens=200_000,
            usd_per_mtok_in=2.5,
            usd_per_mtok_out=15,
            usd_per_mtok_cached_in=0.25,
            usd_per_mtok_cache_write=3,
        ),
    )
