import pytest

from scope.errors import ConfigError, EvaluationError
from scope.samples import check_judge, majority, split_of


def test_the_majority_is_the_first_sample_of_the_most_frequent_answer():
    """
    Answers that could not be read do not vote; a tie goes to the earlier answer.
    """
    assert majority(["a", "b", "b"]) == 1
    assert majority([None, "b", "a"]) == 1
    assert majority([None, None]) is None


def test_splits_have_the_shares_asked_for():
    """
    Of 10,000 prompts; the same text is always in the same split.
    """
    prompts = [f"prompt {n}" for n in range(10_000)]
    splits = [split_of(prompt) for prompt in prompts]

    assert splits.count("train") == pytest.approx(8000, abs=150)
    assert splits.count("test") == pytest.approx(1000, abs=100)
    assert [split_of(p, (0.5, 0.25, 0.25)) for p in prompts].count("train") == pytest.approx(
        5000, abs=150
    )


def test_shares_that_do_not_sum_to_one_are_refused():
    """
    With the three numbers in the sentence.
    """
    with pytest.raises(ConfigError, match=r"0.8, 0.1, 0.2; expected three numbers"):
        split_of("x", (0.8, 0.1, 0.2))


def test_a_selector_is_not_its_own_judge():
    """
    The message says what to do; no selector is no judge.
    """
    check_judge("correct", "armo")
    check_judge("correct", None)
    with pytest.raises(EvaluationError, match=r"both 'armo'.*not trained on"):
        check_judge("armo", "armo")
