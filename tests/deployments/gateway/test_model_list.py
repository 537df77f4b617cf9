"""Entries of the list of models."""

import json

import pytest

from deployments.gateway.model_list import model_list
from scope.model_catalogue import ModelLimits, catalogued
from scope.pool import ModelSpec

TIER = {"above_prompt_tokens": 200_000, "usd_per_mtok_in": 2.0, "usd_per_mtok_out": 4.0}


def spec(name, **fields):
    return ModelSpec(id=name, usd_per_mtok_in=1, usd_per_mtok_out=2, **fields)


def listed(*models, limits=catalogued):
    """Return the entries, that of `auto` first."""
    return model_list(models, 7, limits)["data"]


def test_auto_has_the_largest_context_window_of_its_models():
    """
    Clients truncate conversations to it.
    """
    auto, a, b = listed(spec("a", context_window=8_000), spec("b"))

    assert (auto["id"], auto["context_length"], auto["created"]) == ("auto", 8_000, 7)
    assert (a["context_length"], b["context_length"]) == (8_000, None)


def test_what_the_pool_does_not_state_is_that_of_the_catalogue():
    """
    And said to be so; of a name that it does not know nothing is believed.
    """
    auto, known, unknown = listed(spec("openai/gpt-4o-2024-05-13"), spec("my-model"))

    assert (known["context_length"], auto["context_length"]) == (128_000, 128_000)
    assert known["capabilities"] == ["function_calling", "pdf_input", "vision"]
    assert known["not_stated"] == ["context_length", "capabilities"]
    assert (unknown["context_length"], unknown["capabilities"]) == (None, [])
    assert unknown["not_stated"] == []


def test_what_the_pool_states_stays():
    """
    Whatever the catalogue says.
    """
    _, entry = listed(spec("gpt-4o", context_window=9, capabilities=("vision",)))

    assert (entry["context_length"], entry["capabilities"]) == (9, ["vision"])
    assert entry["not_stated"] == []


def test_what_a_refusal_has_shown_is_listed():
    """
    The window that the upstream named.
    """
    _, entry = listed(spec("a"), limits=lambda _: ModelLimits(window_tokens=2_048))

    assert (entry["context_length"], entry["not_stated"]) == (2_048, ["context_length"])


@pytest.mark.parametrize(
    "prices",
    [
        {},
        {"usd_per_mtok_cached_in": 0.5, "usd_per_mtok_cache_write": 1.25},
        {"usd_per_mtok_reasoning": 3.0, "usd_per_mtok_repeated_in": 0.0},
        {"tiers": [TIER | {"usd_per_mtok_cached_in": 0.2}]},
    ],
)
def test_an_entry_has_all_prices_that_are_known(prices):
    """
    By the names of the pool; a price of 0 is one.
    """
    fields = {"id": "a", "usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0} | prices

    _, entry = listed(ModelSpec.model_validate_json(json.dumps(fields)))

    assert entry["pricing"] == {"usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0} | prices
