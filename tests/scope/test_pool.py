import numpy as np
import pytest

from scope.errors import ConfigError, UnknownModelError
from scope.pool import (
    PUBLISHED_MODELS,
    PUBLISHED_POOLS,
    ModelSpec,
    Resampling,
    indices_of,
    load_pool,
)


def test_published_pools_have_the_published_sizes():
    """
    The five pools of the paper, each a subset of the thirteen priced models.
    """
    assert {name: len(models) for name, models in PUBLISHED_POOLS.items()} == {
        "default": 7,
        "full": 13,
        "reasoning": 5,
        "high_budget": 4,
        "low_budget": 5,
    }
    assert all(set(models) <= set(PUBLISHED_POOLS["full"]) for models in PUBLISHED_POOLS.values())


@pytest.mark.parametrize(
    ("pool", "first", "last"),
    [
        ("default", "tngtech/deepseek-r1t2-chimera", "google/gemma-3-27b-it"),
        ("reasoning", "tngtech/deepseek-r1t2-chimera", "meta-llama/llama-3.3-70b-instruct"),
        ("high_budget", "tngtech/deepseek-r1t2-chimera", "qwen/qwen3-14b"),
        ("low_budget", "openai/gpt-oss-20b", "google/gemma-3-4b-it"),
    ],
)
def test_published_pools_keep_their_order(pool, first, last):
    """
    Ties go to the first model, so a pool is a sequence and not a set.
    """
    assert (load_pool(pool)[0], load_pool(pool)[-1]) == (first, last)


def test_published_prices_are_per_million_tokens():
    """
    nova-2-lite: $0.3 in, $2.5 out; a thousand tokens each way cost $0.0028.
    """
    nova = {model.id: model for model in PUBLISHED_MODELS}["amazon/nova-2-lite-v1"]

    cost = nova.cost_usd(np.array([1000.0, np.nan]), np.array([1000.0, 1000.0]))

    np.testing.assert_allclose(cost, [0.0028, np.nan])


def test_a_pool_file_may_have_comments_and_blank_lines(tmp_path):
    """
    One id a line; ``#`` after a space starts a comment, within a name it is an effort.
    """
    path = tmp_path / "pool.txt"
    path.write_text("# our pool\nlarge#high  # for proofs\n\nsmall\n")

    assert load_pool(str(path)) == ("large#high", "small")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("# nothing\n", "names no model", id="only comments"),
        pytest.param("a\nb\na\n", "names a model twice: a", id="twice"),
    ],
)
def test_a_pool_file_must_name_each_model_once(tmp_path, text, message):
    """
    An empty pool and a repeated model are errors.
    """
    path = tmp_path / "pool.txt"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message):
        load_pool(str(path))


def test_an_unknown_pool_name_lists_the_pools():
    """
    The message names the valid values.
    """
    with pytest.raises(ConfigError, match="'defualt' is neither one of default, full, reasoning"):
        load_pool("defualt")


def test_indices_follow_the_wanted_order():
    """
    The order is the pool's, not the bank's.
    """
    assert indices_of(("c", "a"), ("a", "b", "c"), "the bank") == [2, 0]


def test_an_unknown_model_is_named_with_the_known_ones():
    """
    The message also names what was searched.
    """
    with pytest.raises(UnknownModelError, match="unknown model 'd'; the bank has a, b"):
        indices_of(("a", "d"), ("a", "b"), "the bank")


def test_a_price_is_required_and_never_negative():
    """
    A price has no default.
    """
    with pytest.raises(ValueError, match="usd_per_mtok_out"):
        ModelSpec.model_validate({"id": "x", "usd_per_mtok_in": 1.0})
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        ModelSpec(id="x", usd_per_mtok_in=-1.0, usd_per_mtok_out=1.0)


@pytest.mark.parametrize(("source", "kept"), [("fitted", False), ("assumed", True)])
def test_what_was_fitted_to_samples_can_be_dropped(source, kept):
    """
    A prior belongs to no fit.
    """
    known = Resampling(concentration=2.0, odds=3.0, selector="majority", source=source)
    model = ModelSpec(id="m", usd_per_mtok_in=1, usd_per_mtok_out=1, resampling=known)

    assert (model.without_fitted_samples().resampling == known) is kept
