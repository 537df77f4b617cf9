"""The result of an arm with several samples."""

import pytest

from pipelines.measure.journal import CallResult
from pipelines.measure.majority_vote import arm_results


def sample(number, vote, correct=None, **fields):
    counts = {"prompt_tokens": 20, "completion_tokens": 10, "usd": 4e-5, **fields}
    return CallResult("q", "m@3", "digest", sample=number, vote=vote, correct=correct, **counts)


def failed(number, **fields):
    return CallResult("q", "m@3", "digest", sample=number, error="http 500", **fields)


@pytest.mark.parametrize(
    ("votes", "grade"),
    [
        pytest.param([("B", 0.0), ("A", 1.0), ("A", 1.0)], 1.0, id="two of three"),
        pytest.param([("A", 1.0), ("B", 0.0), ("C", 0.0)], 1.0, id="a tie: the first"),
        pytest.param([(None, None), ("B", 0.0), ("A", 1.0)], 0.0, id="a tie after no answer"),
        pytest.param([(None, None), (None, None), ("A", 1.0)], 1.0, id="one answer only"),
        pytest.param([(None, None)] * 3, None, id="no answer at all"),
    ],
)
def test_the_grade_is_that_of_the_most_frequent_answer(votes, grade):
    """
    A sample without an extracted answer does not vote.
    """
    rows = [sample(number, vote, correct) for number, (vote, correct) in enumerate(votes)]

    (result,) = arm_results(reversed(rows))  # in any order

    assert result.correct == grade
    assert (result.sample, result.error) == (None, None)


def test_tokens_and_costs_are_those_of_all_samples():
    """
    Three prompts of 20 tokens, and answers of 10, 12 and 14.
    """
    rows = [sample(n, "A", 1.0, completion_tokens=10 + 2 * n) for n in range(3)]

    (result,) = arm_results(rows)

    assert (result.prompt_tokens, result.completion_tokens) == (60, 36)
    assert result.usd == pytest.approx(12e-5)


def test_an_unknown_token_count_makes_the_sum_unknown():
    """
    Unknown is not 0.
    """
    rows = [sample(n, "A", 1.0, completion_tokens=10 if n else None) for n in range(3)]

    (result,) = arm_results(rows)

    assert (result.prompt_tokens, result.completion_tokens) == (60, None)


def test_a_failed_sample_does_not_vote():
    """
    The arm is graded from those that arrived, at their tokens; what may be billed is added.
    """
    rows = [failed(0, possibly_billed_usd=1e-3), sample(1, "A", 1.0), sample(2, "A", 1.0)]

    (result,) = arm_results(rows)

    assert (result.error, result.correct, result.prompt_tokens) == (None, 1.0, 40)
    assert result.possibly_billed_usd == 1e-3


def test_an_arm_whose_samples_all_failed_has_failed():
    """
    It is not wrong.
    """
    (result,) = arm_results([failed(n) for n in range(3)])

    assert (result.error, result.correct, result.prompt_tokens) == ("http 500", None, None)


def test_a_question_with_calls_still_to_make_has_no_result():
    """
    A majority of two is not the arm; other arms of the question are not touched.
    """
    one = CallResult("q", "m", "digest", correct=0.0)

    assert arm_results([sample(0, "A", 1.0), sample(1, "A", 1.0), one]) == [one]
