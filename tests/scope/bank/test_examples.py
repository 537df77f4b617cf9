from dataclasses import replace

import numpy as np
import pytest

from scope.bank.examples import nearest_examples
from scope.errors import ConfigError
from scope.reasoner import Example
from tests.factories.banks import bank_of

NAN = np.nan


@pytest.fixture
def bank():
    """Four anchors; the first model was not run on the second and the third has no length."""
    made = bank_of(
        [[1, 1], [NAN, 0], [0, 1], [0.5, 0]], prompts=("one?", "two?", "three?", "four?")
    )
    tokens = made.outcomes.completion_tokens_am.copy()
    tokens[2, 0] = NAN
    return replace(made, outcomes=replace(made.outcomes, completion_tokens_am=tokens))


def test_anchors_the_model_was_not_run_on_are_left_out(bank):
    """
    The next nearest take their place; nothing is shown as 0 tokens and wrong.
    """
    assert nearest_examples(bank, [1, 3, 2, 0], 0, 2) == [
        Example("four?", 100.0, True),
        Example("one?", 100.0, True),
    ]


def test_only_so_many_are_shown(bank):
    """
    The nearest first.
    """
    shown = nearest_examples(bank, np.array([2, 1, 0]), 1, 2)

    assert shown == [Example("three?", 100.0, True), Example("two?", 100.0, False)]


def test_few_may_be_known(bank):
    """
    Then few are shown.
    """
    assert nearest_examples(bank, [1, 2], 0, 5) == []


def test_a_bank_without_texts_gets_a_sentence(bank):
    """
    Which says what to do.
    """
    with pytest.raises(ConfigError, match=r"has no question texts.*without --drop-prompts"):
        nearest_examples(replace(bank, prompts=None), [0], 0, 5)
