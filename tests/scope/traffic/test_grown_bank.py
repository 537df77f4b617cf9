import numpy as np
import pytest

from scope.errors import BankError
from scope.outcomes import Outcomes
from scope.predictor.predictor import AnchorPredictor
from scope.questions import Questions
from scope.traffic.feedback import ScoredAnswer
from scope.traffic.grown_bank import (
    NewQuestion,
    grow_bank,
    questions_from_answers,
    questions_from_outcomes,
)
from tests.factories.banks import bank_of, two_kinds, unit
from tests.factories.second_encoders import second_kinds

NAN = float("nan")


def question(name, text="a new text", **outcomes):
    """A question with outcomes; each took 10 tokens of prompt and 20 of completion."""
    return NewQuestion(name, text, {m: (y, 10.0, 20.0) for m, y in outcomes.items()})


def grown(bank, *questions):
    """The bank with questions, all of which look like its first anchor."""
    return grow_bank(bank, questions, np.tile(bank.embedding_ad[0], (len(questions), 1)))


def test_a_new_question_has_the_outcome_of_one_model():
    """
    What was not asked stays unknown.
    """
    bank = bank_of([[1, 1], [0, 1]], prompts=("a", "b"))

    result = grown(bank, question("new", large=0.5))

    assert result.bank.ids == ("a0", "a1", "new")
    assert result.bank.prompts == ("a", "b", "a new text")
    np.testing.assert_equal(result.bank.outcomes.correct_am[2], [NAN, 0.5])
    np.testing.assert_equal(result.bank.outcomes.completion_tokens_am[2], [NAN, 20])
    assert (result.n_new, result.n_added_m.tolist(), result.n_known) == (1, [0, 1], 0)


def test_what_was_measured_stays():
    """
    The text is an anchor on which the small model is known and the large one is not.
    """
    bank = bank_of([[1, NAN], [0, 1]], prompts=("1 + 1?", "b"))

    result = grown(bank, question("new", " 1 + 1?\n", small=0.0, large=0.0))

    assert result.bank.ids == bank.ids
    assert result.bank.outcomes.correct_am[0].tolist() == [1, 0]
    assert (result.n_new, result.n_added_m.tolist(), result.n_known) == (0, [0, 1], 1)


@pytest.mark.parametrize("prompts", [None, ("a", "b")], ids=["no texts", "texts"])
def test_the_same_twice_adds_nothing(prompts):
    """
    A bank without texts knows a question by its id, which is a hash of the text.
    """
    bank = bank_of([[1, 1], [0, 1]], prompts=prompts)
    once = grown(bank, question("new", small=1.0))

    twice = grown(once.bank, question("new", small=0.0))

    assert twice.bank.ids == once.bank.ids
    np.testing.assert_equal(twice.bank.outcomes.correct_am, once.bank.outcomes.correct_am)
    assert (twice.n_added_m.sum(), twice.n_known) == (0, 1)
    assert (twice.bank.prompts is None) == (prompts is None)


def test_an_id_with_another_text_is_named():
    """
    Else two questions of a bank would have one id.
    """
    bank = bank_of([[1, 1], [0, 1]], prompts=("a", "b"))

    with pytest.raises(BankError, match="another question with the id 'a0'"):
        grown(bank, question("a0", "c", small=1.0))


def test_a_text_asked_often_is_one_anchor_with_the_mean():
    """
    Scores 1, 1 and 0 of one model, .5 of another, and one of a model that is not in the bank.
    """
    answers = [
        ScoredAnswer(" 1 + 1?", "small", 1, 10, 20),
        ScoredAnswer("1 + 1?", "small", 1, 10, 22),
        ScoredAnswer("1 + 1?", "small", 0, None, None),
        ScoredAnswer("1 + 1?", "large", 0.5, None, None),
        ScoredAnswer("1 + 1?", "other", 1, 10, 20),
    ]

    (one,), unknown = questions_from_answers(answers, ("small", "large"), "category")

    assert one.text == "1 + 1?"
    assert one.outcomes["small"] == (pytest.approx(2 / 3), 10, 21)
    np.testing.assert_equal(one.outcomes["large"], (0.5, NAN, NAN))
    assert unknown == {"other": 1}


@pytest.mark.parametrize(
    ("known", "category"),
    [
        pytest.param([{"tenant": "smith"}, {}], "smith", id="once"),
        pytest.param([{"tenant": "smith"}, {"tenant": "smith"}], "smith", id="twice"),
        pytest.param([{"tenant": "smith"}, {"tenant": "jones"}], None, id="two values"),
        pytest.param([{"category": "law"}, {}], None, id="another fact"),
    ],
)
def test_what_was_known_of_a_text_is_its_category(known, category):
    """
    Two answers to one text; the fact of the bank is the tenant.
    """
    answers = [ScoredAnswer("1 + 1?", "small", 1, 10, 20, each) for each in known]

    (one,), _ = questions_from_answers(answers, ("small",), "tenant")

    assert one.category == category


def test_measured_questions_keep_category_and_gold_answer():
    """
    A question without any outcome is left out.
    """
    both = [("q", "r"), ("x", "y"), ("law", ""), ("A", None), (None, None), (None, None)]
    values = np.array([[1.0, NAN], [NAN, NAN]])

    (one,) = questions_from_outcomes(Questions(*both), Outcomes(("s", "l"), *(3 * [values])))

    assert (one.id, one.text, one.category, one.gold_answer) == ("q", "x", "law", "A")
    assert one.outcomes == {"s": (1, 1, 1)}


def test_a_question_gets_the_category_of_its_neighbour_where_the_bank_knows_such():
    """
    Far from all anchors it has none: it would spoil the means of another subject.
    """
    bank = two_kinds()
    far = unit([[0, 0, 0, 0, 0, 0, 0, -50]]) * np.sign(bank.embedding_ad[:, -1].sum())
    near = bank.embedding_ad[:1]

    result = grow_bank(
        bank, [question("n", small=1.0), question("f", "b", small=1.0)], np.vstack([near, far])
    )

    assert result.bank.categories[-2:] == (bank.categories[0], "")


def test_feedback_of_one_model_leaves_no_other_without_neighbours():
    """
    Two hundred new anchors, all nearer than any other, tell of the small model only; the forecast
    of the large one stays what it was.
    """
    bank = two_kinds(n_anchors=120)
    asked = bank.embedding_ad[:1]
    many = [question(f"n{n}", f"text {n}", small=1.0) for n in range(200)]

    before, after = (
        AnchorPredictor(each).predict(asked, bank.features_af[:1])[0].p_correct_qm[0]
        for each in (bank, grown(bank, *many).bank)
    )

    assert after[0] > before[0]
    assert after[1] == pytest.approx(before[1], abs=0.02)


def test_a_new_question_has_a_vector_of_the_second_encoder():
    """
    A bank with two encoders does not grow without it.
    """
    bank = second_kinds(4)
    new = (question("new", small=1.0),)

    result = grow_bank(bank, new, bank.embedding_ad[:1], bank.second.vector_ay[1:2])

    np.testing.assert_array_equal(result.bank.second.vector_ay[4], bank.second.vector_ay[1])
    with pytest.raises(BankError, match="need vectors of the second encoder, second@1 layer 2"):
        grow_bank(bank, new, bank.embedding_ad[:1])
