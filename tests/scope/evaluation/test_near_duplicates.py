from dataclasses import replace

import numpy as np
import pytest

from scope.evaluation.near_duplicates import near_duplicates, nearest_anchors
from scope.evaluation.test_set import EvaluationSet
from tests.factories.banks import bank_of

HALF = np.full((40, 2), 0.5)
"""A forecast that tells no model from another."""


def compared(anchor_correct, question_correct, cosine=1.0):
    """Each of 40 questions has an anchor of its own at a cosine, at a right angle to all others."""
    axes = np.eye(80, dtype=np.float32)
    bank = bank_of(anchor_correct, embedding=axes[:40])
    turned = cosine * axes[:40] + np.sqrt(1 - cosine**2) * axes[40:]
    questions = bank_of(question_correct, embedding=turned.astype(np.float32))
    questions = replace(questions, ids=tuple(f"q{q:02d}" for q in range(40)))
    # The same text is no test: another number of characters.
    questions = replace(questions, features_af=questions.features_af + 1)
    return near_duplicates(bank, EvaluationSet.from_banks(bank, questions), HALF, seed=0)


SUITED = np.tile([[1, 0], [0, 1]], (20, 1))


@pytest.mark.parametrize(
    ("anchors", "questions", "ceiling"),
    [
        pytest.param(SUITED, SUITED, 1, id="the same outcomes: everything can be known"),
        pytest.param(SUITED, 1 - SUITED, -1, id="the opposite ones"),
        pytest.param(SUITED, np.tile([[1, 0]], (40, 1)), np.nan, id="no differences to know"),
        pytest.param(SUITED, np.repeat(SUITED[:2], 20, axis=0), 0, id="outcomes without relation"),
    ],
)
def test_the_ceiling_is_what_the_duplicates_outcomes_tell(anchors, questions, ceiling):
    """
    Every question suits one of two models; its near duplicate suits the same, the other, or any.
    """
    got = compared(anchors, questions)

    assert (got.n_questions, got.n_duplicates) == (40, 40)
    assert got.ceiling.value == pytest.approx(ceiling, nan_ok=True)


def test_our_forecasts_are_judged_on_the_same_questions():
    """
    They tell no model from another.
    """
    got = compared(SUITED, SUITED)

    assert got.ours.value == pytest.approx(0)
    assert str(got).startswith("40 of 40 questions have a near duplicate among the anchors")
    assert "ceiling of R² between models at 1.000" in str(got)


def test_too_few_near_duplicates_give_a_sentence_and_no_number():
    """
    A cosine of .8 is no near duplicate.
    """
    got = compared(SUITED, SUITED, cosine=0.8)

    assert (got.n_duplicates, got.ceiling, got.ours) == (0, None, None)
    assert str(got).endswith("not enough to estimate a ceiling, 30 are needed")


def test_the_nearest_anchor_has_the_highest_cosine():
    """
    Unit vectors in the plane; more questions than one block holds.
    """
    anchors = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    questions = np.tile(np.array([[0, 1], [1, 0]], dtype=np.float32), (200, 1))

    anchor, cosine = nearest_anchors(questions, anchors)

    assert anchor.tolist() == [1, 0] * 200
    np.testing.assert_allclose(cosine, [0.8, 1.0] * 200, rtol=1e-6)
