"""Prompts about the models of a bank, in both forms."""

from dataclasses import replace

import pytest

from scope.bank.prompts import BankPrompts
from scope.errors import ConfigError
from scope.reasoner.spec import ReasonerConfig
from scope.reasoner.tokenizer import PromptTokenizer
from tests.factories.banks import two_kinds

BANK = replace(two_kinds(), prompts=tuple(f"What is case {n}?" for n in range(60)))


@pytest.fixture
def prompts(checkpoint):
    """Return the prompts with these settings."""

    def make(bank=BANK, **settings):
        settings = {"max_context_tokens": 2048, "n_examples": 3, **settings}
        config = ReasonerConfig(checkpoint=str(checkpoint), **settings)
        return BankPrompts(bank, config, PromptTokenizer.load(str(checkpoint)))

    return make


def test_a_prompt_is_about_one_model(prompts):
    """
    With the nearest anchors that it was run on.
    """
    alone = prompts()

    text = alone.build("Why?", [7, 8, 9, 10], 1)

    assert list(alone.columns(1)) == [1]
    assert "## Target Model\nlarge\n" in text
    assert [f"What is case {n}?" in text for n in (7, 8, 9, 10)] == [True] * 3 + [False]
    assert [example.question for example in alone.examples([7, 8, 9, 10], 1)] == [
        f"What is case {n}?" for n in (7, 8, 9)
    ]


def test_a_prompt_about_the_pool_is_the_same_for_each_model(prompts):
    """
    It names all models in the order of the bank, and each anchor once.
    """
    pool = prompts(form="pool")

    text = pool.build("Why?", [7, 8, 9, 10], 1)

    assert text == pool.build("Why?", [7, 8, 9, 10], 0)
    assert list(pool.columns(1)) == [0, 1]
    assert text.index("Model 1: small\n") < text.index("Model 2: large\n")
    assert text.count("What is case 8?") == 1
    assert len(pool.examples([7, 8, 9, 10], 1)) == 3


@pytest.mark.parametrize(
    ("form", "tokens", "message"),
    [
        pytest.param("model", 100, "without any question", id="about a model"),
        pytest.param("pool", 100, "without any question", id="about a pool"),
        pytest.param("pool", 600, "are left for the question", id="about a pool, no example"),
    ],
)
def test_a_context_without_room_is_refused_before_any_question(prompts, form, tokens, message):
    """
    In both forms; the error names the setting.
    """
    with pytest.raises(ConfigError, match=f"{message}.*raise max_context_tokens"):
        prompts(form=form, max_context_tokens=tokens)
