import json

import pytest

from scope.errors import ConfigError, UnknownPriceError
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
        pytest.param([{"model": "a", "input": 1, "output": 1}] * 2, "same model twice", id="twice"),
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
