import math
from dataclasses import replace

import numpy as np
import pytest

from scope.traffic.questions import TrafficQuestion
from scope.traffic.sample import sample_traffic
from tests.factories.banks import bank_of
from tests.scope.traffic.test_information import at


def question(name, text="", n_requests=1, session=None):
    return TrafficQuestion(name, text or f"text of {name}", n_requests, session, True)


@pytest.fixture
def bank():
    """Three anchors, at 0, 20 and 50 degrees: half of them have another within 20 degrees."""
    return anchors_at(0, 20, 50)


def test_near_duplicates_are_weight_of_one_question(bank):
    """
    The one that is asked most often is chosen, for the requests of both.
    """
    questions = (question("a", n_requests=2), question("b", n_requests=3), question("c"))

    sample = sample_traffic(questions, at(180, 181, 270), bank, 5)

    assert sorted(zip(sample.chosen_j.tolist(), sample.weight_j.tolist(), strict=True)) == [
        (1, 5),
        (2, 1),
    ]
    assert (sample.n_distinct, sample.n_known) == (2, 0)


def test_what_the_bank_has_is_not_chosen_again(bank):
    """
    Neither its vectors nor its texts.
    """
    bank = replace(bank, prompts=("What is 2 + 2?", "x", "y"))
    questions = (question("a"), question("b", "What  is 2 + 2?"), question("c"))

    sample = sample_traffic(questions, at(1, 180, 270), bank, 5)

    assert sample.chosen_j.tolist() == [2]
    assert (sample.n_distinct, sample.n_known) == (3, 2)


def test_a_session_gives_one_question(bank):
    """
    The bank cannot have two turns of a conversation, on whatever sides of a split.
    """
    questions = tuple(question(name, session="s") for name in "abc")

    assert len(sample_traffic(questions, at(90, 180, 270), bank, 5).chosen_j) == 1


def test_the_covered_share_is_of_requests(bank):
    """
    Covered is what is within 20 degrees, as the median anchor has another one.
    """
    questions = (question("a", n_requests=6), question("b", n_requests=3), question("c"))

    sample = sample_traffic(questions, at(40, 180, 270), bank, 1)

    assert sample.cosine_limit == pytest.approx(math.cos(math.radians(20)))
    assert (sample.covered_before, sample.covered_after) == pytest.approx((0.6, 0.9))


def test_one_anchor_tells_no_limit():
    """
    Unknown, not 0.
    """
    sample = sample_traffic((question("a"),), at(180), anchors_at(0), 1)

    assert np.isnan([sample.cosine_limit, sample.covered_before, sample.covered_after]).all()
    assert sample.chosen_j.tolist() == [0]


def anchors_at(*degrees):
    """A bank of two models with anchors at these degrees."""
    return bank_of([[1, 0]] * len(degrees), embedding=at(*degrees))
