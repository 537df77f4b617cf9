"""Two banks on the same questions."""

from dataclasses import replace

import pytest

from deployments.operate.bank_comparison import compare_banks
from scope.errors import EvaluationError
from tests.factories.banks import SMALL, labelled_pair, with_correct

USER_CONFIG = {"access": {"anonymous": True}, "policy": {"min_quality": 0.6}}
"""The small model where it is likely to be right, else the large one."""


@pytest.fixture(scope="module")
def pair():
    """A bank, and questions that it predicts well: the small model is right on one kind only."""
    return labelled_pair(200, 300)


@pytest.fixture(scope="module")
def misled(pair):
    """The same bank with the small model's outcomes upside down: it fails where it is asked."""
    bank, _ = pair
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[:, 0] = 1 - correct_am[:, 0]
    return with_correct(bank, correct_am)


def test_a_bank_against_itself_changes_nothing(pair):
    """
    All differences are 0, in every resample of the 300 questions; it is not worse.
    """
    bank, questions = pair

    compared = compare_banks(bank, bank, questions, USER_CONFIG)

    assert compared.accuracy_change.value == compared.usd_per_1k_change.value == 0
    assert (compared.change_at_same_cost.low, compared.change_at_same_cost.high) == (0, 0)
    assert not compared.is_worse
    assert (compared.objective, compared.n_questions) == ("min_quality 0.6", 300)


def test_a_bank_that_errs_is_worse_at_the_same_cost(pair, misled):
    """
    It gives the small model the questions that this one gets wrong. The way back is no loss.
    """
    bank, questions = pair

    worse = compare_banks(bank, misled, questions, USER_CONFIG)
    better = compare_banks(misled, bank, questions, USER_CONFIG)

    assert worse.is_worse
    assert worse.change_at_same_cost.high < -0.05
    assert not better.is_worse
    assert better.accuracy_change.value == pytest.approx(-worse.accuracy_change.value)


def test_a_bank_that_cannot_be_so_cheap_is_worse(pair):
    """
    Without the small model every question costs what the large one takes.
    """
    bank, questions = pair

    compared = compare_banks(bank, bank.select_models(("large",)), questions, USER_CONFIG)

    assert compared.is_worse
    assert "it cannot be so cheap" in "\n".join(compared.lines())


def test_an_alpha_is_compared_on_the_scale_of_each_bank(pair):
    """
    At 0 the small model answers all: 3,505 prompt tokens on average at $0.10 and 100 at $0.20 a
    million.
    """
    bank, questions = pair
    settings = USER_CONFIG | {"policy": {"alpha": 0.0}}

    compared = compare_banks(bank, bank, questions, settings)

    assert compared.objective == "alpha 0"
    assert compared.usd_per_1k.value == pytest.approx(0.3505 + 0.02)


def test_prices_of_the_settings_count_not_those_of_the_bank(pair):
    """
    The small model at ten times its price: still the cheapest, and ten times the cost.
    """
    bank, questions = pair
    dear = SMALL.model_copy(update={"usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0})
    settings = USER_CONFIG | {"policy": {"alpha": 0.0}}

    now = compare_banks(bank, bank, questions, settings)
    then = compare_banks(
        bank, bank, questions, settings | {"models": [dear.model_dump(mode="json")]}
    )

    assert then.usd_per_1k.value == pytest.approx(10 * now.usd_per_1k.value)


def test_arms_without_outcomes_are_left_out_and_named(pair):
    """
    A model that the questions do not know cannot be judged by them.
    """
    bank, questions = pair
    fewer = replace(
        questions,
        models=questions.models[1:],
        outcomes=questions.outcomes.select_models([1]),
    )

    compared = compare_banks(bank, bank, fewer, USER_CONFIG)

    assert compared.left_out == ("small",)
    assert compared.lines()[-1] == "  left out, no outcomes of them: small"


def test_questions_that_are_anchors_are_refused(pair):
    """
    A bank knows its own anchors: they would flatter it.
    """
    bank, _ = pair

    with pytest.raises(EvaluationError, match="is itself an anchor"):
        compare_banks(bank, bank, bank, USER_CONFIG)
