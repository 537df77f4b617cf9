"""The grader of Python literals: what a reply states, compared by value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.questions.literals import final_literal, grade_literal, is_literal

GOLD = "[(4, 1), (2, 3)]"
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.sets(st.integers(), min_size=1, max_size=4)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        pytest.param("[(4, 1), (2, 3)]", 1, id="alone"),
        pytest.param("[(4,1),\n (2,3)]", 1, id="other spaces, two lines"),
        pytest.param("assert f([1, 1]) == [(4, 1), (2, 3)]", 1, id="assertion"),
        pytest.param("```python\nassert f([1]) == [(4, 1), (2, 3)]\n```\nDone.", 1, id="block"),
        pytest.param("[ANSWER]assert f(1) == [(4, 1), (2, 3)][/ANSWER]", 1, id="tagged assertion"),
        pytest.param("[ANSWER]\n[(4, 1), (2, 3)]\n[/ANSWER]", 1, id="tagged"),
        pytest.param("<answer>`[(4, 1), (2, 3)]`</answer>", 1, id="tagged code"),
        pytest.param("So the output is `[(4, 1), (2, 3)]`.", 1, id="statement with code"),
        pytest.param("**Answer:** [(4, 1), (2, 3)]", 1, id="bold heading"),
        pytest.param("The function returns [(4, 1), (2, 3)].", 1, id="returns"),
        pytest.param("It counts.\n\n[(4, 1), (2, 3)]", 1, id="last line"),
        pytest.param("It counts: first `[1]`, then\n```\n[(4, 1), (2, 3)]\n```", 1, id="last code"),
        pytest.param(r"\boxed{[(4, 1), (2, 3)]}", 1, id="boxed"),
        pytest.param("assert f(1) == [1]\nWait.\nassert f(1) == [(4, 1), (2, 3)]", 1, id="last"),
        pytest.param("assert f(1) == [(4, 1)]", 0, id="another value"),
        pytest.param("assert f(1) == sorted([(4, 1), (2, 3)])", 0, id="a call is no literal"),
        pytest.param("The output is `[[4, 1], [2, 3]]`", 0, id="lists, not tuples"),
        pytest.param("assert f(1) == ??", None, id="not completed"),
        pytest.param("I cannot run code.", None, id="no literal"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_literal_that_is_stated_last_is_compared(reply, grade):
    """
    Tags, assertions, statements, code, the last line; without any of these there is no grade.
    """
    assert grade_literal(reply, GOLD, "") == grade


@pytest.mark.parametrize(
    ("reply", "gold", "grade"),
    [
        pytest.param("assert f('a') == hello", "'hello'", 1, id="quotes forgotten"),
        pytest.param("assert f('x == y') == 'a == b'", "'a == b'", 1, id="equals signs in strings"),
        pytest.param('[ANSWER]"hello"[/ANSWER]', "'hello'", 1, id="other quotes"),
        pytest.param("{2, 1}", "{1, 2}", 1, id="a set has no order"),
        pytest.param("{'b': 1, 'a': 2}", "{'a': 2, 'b': 1}", 1, id="nor has a dict"),
        pytest.param("2.0", "2", 1, id="numbers by value"),
        pytest.param("'2'", "2", 0, id="a string is no number"),
        pytest.param("The output is '\\d'", "'\\\\d'", 1, id="an unknown escape"),
        pytest.param("(" * 5_000, "1", None, id="nested too deeply"),
        pytest.param("9" * 30_000, "1", None, id="too long"),
    ],
)
def test_values_are_compared_not_texts(reply, gold, grade):
    assert grade_literal(reply, gold, "") == grade


@given(LITERALS)
def test_every_literal_is_right_against_itself(value):
    """
    Completed in the assertion, as the questions ask.
    """
    reply = f"The code runs so.\n\nassert f(1) == {value!r}\n"

    assert is_literal(repr(value))
    assert grade_literal(reply, repr(value), "") == 1
    assert final_literal(reply, "") is not None


def test_equal_answers_share_a_form():
    """
    For a majority: the order of a set, or 2 and 2.0, make no difference.
    """
    assert final_literal("{2, 1}", "") == final_literal("It returns {1, 2.0}", "")
    assert final_literal("{'a': 1, 'b': 2}", "") == final_literal("{'b': 2, 'a': True}", "")
    assert final_literal("[1]", "") != final_literal("(1,)", "")
    assert final_literal("No idea.", "") is None


@pytest.mark.parametrize("text", ["sorted([1])", "hello", "", "1 +"])
def test_what_is_no_literal_cannot_be_a_gold_answer(text):
    assert not is_literal(text)
