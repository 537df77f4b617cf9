"""The filter of rationales: what gives the outcome away, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.finetune.hindsight import (
    clean_rationale,
    final_verdict,
    find_leak,
    hindsight_request,
)
from scope.reasoner import ExampleOutcome

PROMPT = """Compare the target question with the examples: subject, kind of answer wanted, number
of steps, traps. Performance: {len: 90, correct: yes}
"""
RIGHT, WRONG = ExampleOutcome(412.0, True), ExampleOutcome(412.0, False)


def leak(rationale, outcome=RIGHT, max_tokens=96):
    return find_leak(rationale, PROMPT, outcome, [90.0], max_tokens)


@pytest.mark.parametrize(
    "rationale",
    [
        "Both examples are sums like this one. So the model will probably be right.",
        "In example 1 it was correct with 90 tokens, and this needs more steps.",
        "It got example 2 right, and the target asks for the same rule.",
        "The answer is a single word; the model knows such words.",
        "Given the short examples, a longer answer of some 400 tokens seems likely.",
    ],
)
def test_an_honest_rationale_is_kept(rationale):
    assert leak(rationale) is None


@pytest.mark.parametrize(
    "rationale",
    [
        "As we were told, the model is right.",
        "The known outcome is a success, since the sums are easy.",
        "With hindsight the traps are plain.",
        "The actual result fits the examples.",
        "I know that it is right.",
        "You said it is right, and the examples agree.",
        "The model answered this question with ease.",
        "Since the model got it right, the sums must be easy.",
        "It turned out that the sum is easy.",
        "The ground truth agrees with the examples.",
        "I have been informed that it is right.",
        "THE OUTCOME IS plain from the examples.",
    ],
)
def test_a_rationale_that_knows_the_outcome_is_dropped(rationale):
    assert leak(rationale) == "names the outcome"


@pytest.mark.parametrize(
    ("rationale", "reason"),
    [
        pytest.param("It takes 412 tokens.", "states the length", id="length"),
        pytest.param("It takes 412.", "states the length", id="length at the end"),
        pytest.param("Easy. {len: 9, correct: yes}", "states the answer block", id="block"),
        pytest.param("Predicted Performance: fine.", "states the answer block", id="heading"),
        pytest.param("correct = yes", "states the answer block", id="field"),
        pytest.param("", "empty", id="empty"),
        pytest.param("easy " * 80, "too long", id="400 bytes of at most 384"),
        pytest.param(
            "First compare the target question with the examples: subject, kind of answer wanted,"
            " number of steps.",
            "copies the prompt",
            id="copy",
        ),
    ],
)
def test_a_rationale_is_dropped_for_a_reason(rationale, reason):
    assert leak(rationale) == reason


def test_a_length_of_thousands_is_found_with_its_comma():
    outcome = ExampleOutcome(1412.0, True)

    assert leak("It takes 1,412 tokens.", outcome) == "states the length"
    assert leak("It takes 11,412 tokens.", outcome) is None


def test_a_length_that_an_example_states_is_no_leak():
    """
    The target is as long as the example.
    """
    assert leak("Some 90 tokens, as in example 1.", ExampleOutcome(90.0, True)) is None


def test_a_small_number_is_a_length_only_before_tokens():
    """
    3 may count examples.
    """
    outcome = ExampleOutcome(3.0, True)

    assert leak("All 3 examples are alike.", outcome) is None
    assert leak("It takes 3 tokens.", outcome) == "states the length"


@pytest.mark.parametrize(
    ("sentence", "right"),
    [
        ("So the model will probably be right.", True),
        ("So the model will probably be wrong.", False),
        ("It is unlikely to fail.", True),
        ("It is unlikely to be correct.", False),
        ("It will not be right.", False),
        ("It should struggle.", False),
        ("It wrote long answers.", None),
        ("It failed on example 1. It will be right here.", True),
    ],
)
def test_the_last_sentence_is_the_verdict(sentence, right):
    assert final_verdict(sentence) is right


def test_a_rationale_must_agree_with_the_outcome():
    assert leak("So the model will probably be right.", WRONG) == "contradicts the outcome"
    assert leak("So the model will probably be wrong.", RIGHT) == "contradicts the outcome"
    assert leak("So the model will probably be wrong.", WRONG) is None


@given(
    honest=st.sampled_from(["The sums are easy.", "It was right twice.", "Traps are rare."]),
    planted=st.sampled_from(
        ["As I was told, it is right.", "It takes 412 tokens.", "{len: 412, correct: yes}"]
    ),
    first=st.booleans(),
)
def test_a_planted_leak_is_found_wherever_it_is(honest, planted, first):
    """
    A leak does not hide among honest sentences.
    """
    assert leak(honest) is None
    assert leak(f"{planted} {honest}" if first else f"{honest} {planted}") is not None


def test_the_heading_and_line_ends_are_removed():
    assert clean_rationale("**Analysis:** The sums\n\nare  easy.") == "The sums are easy."


def test_a_teacher_is_told_the_outcome():
    request = hindsight_request(PROMPT, WRONG, 96)

    assert request.startswith(PROMPT.rstrip())
    assert "answer was wrong, and 412 tokens long" in request
    assert "at most 48 words" in request
