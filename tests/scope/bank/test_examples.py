from dataclasses import replace

import numpy as np
import pytest

from scope.bank.examples import nearest_examples, nearest_pool_examples
from scope.errors import ConfigError
from scope.reasoner import Example, ExampleOutcome, PoolExample
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


def test_anchors_without_an_outcome_are_skipped(bank):
    """
    The next nearest are used instead.
    """
    assert nearest_examples(bank, [1, 3, 2, 0], 0, 2) == [
        Example("four?", 100.0, True),
        Example("one?", 100.0, True),
    ]


def test_the_number_of_examples_is_limited(bank):
    """
    Nearest first.
    """
    shown = nearest_examples(bank, np.array([2, 1, 0]), 1, 2)

    assert shown == [Example("three?", 100.0, True), Example("two?", 100.0, False)]


def test_fewer_examples_if_fewer_outcomes_are_known(bank):
    """
    No error, no padding.
    """
    assert nearest_examples(bank, [1, 2], 0, 5) == []


def test_a_bank_without_texts_is_refused(bank):
    """
    The message says what to do.
    """
    with pytest.raises(ConfigError, match=r"has no question texts.*without --drop-prompts"):
        nearest_examples(replace(bank, prompts=None), [0], 0, 5)


def test_an_example_of_a_pool_has_the_outcomes_of_all_models(bank):
    """
    None where a model was not run, or its length is unknown.
    """
    shown = nearest_pool_examples(bank, [1, 0, 3], 2)

    assert shown == [
        PoolExample("two?", (None, ExampleOutcome(100.0, False))),
        PoolExample("one?", (ExampleOutcome(100.0, True), ExampleOutcome(100.0, True))),
    ]


def test_an_anchor_that_no_model_was_run_on_is_no_example(bank):
    tokens = bank.outcomes.completion_tokens_am.copy()
    tokens[1, 1] = NAN
    bank = replace(bank, outcomes=replace(bank.outcomes, completion_tokens_am=tokens))

    assert [it.question for it in nearest_pool_examples(bank, [1, 0], 2)] == ["one?"]
