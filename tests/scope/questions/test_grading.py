"""Graders: right, wrong or unknown."""

import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.errors import ConfigError, QuestionError
from scope.questions.grading import grader_for, make_grader
from scope.questions.multiple_choice import LETTERS, extract_choice, option_letters
from scope.questions.numeric import extract_number

QUESTION = "Which one?\nA. red\nB. green\nC. blue\nD. none of them"
KINDS = {"choice": "B", "numeric": "0.75", "exact": "Paris", "text": "Paris", "literal": "[1, 'a']"}


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        pytest.param("The answer is (C).", "C", id="plain sentence"),
        pytest.param("**Answer: C**", "C", id="bold"),
        pytest.param(r"So \(\boxed{\text{C}}\).", "C", id="boxed"),
        pytest.param("C", "C", id="lone letter"),
        pytest.param("Think.\n\n(C)", "C", id="lone last line"),
        pytest.param("answer: c", "C", id="small letter alone"),
        pytest.param("C) blue", "C", id="option copied"),
        pytest.param("The answer is A. No: the answer is C.", "C", id="last statement wins"),
        pytest.param("Final answer:\n**C**", "C", id="on the next line"),
        pytest.param("Option C is correct, B is not.", "C", id="option is correct"),
        pytest.param('The correct answer choice is "C".', "C", id="quoted"),
        pytest.param("<answer>C</answer>", "C", id="tagged"),
        pytest.param("The answer is C, not B", "C", id="another option negated"),
        pytest.param("the answer is C and I am sure", "C", id="pronoun after it"),
        pytest.param("The answer is A or B", None, id="two named"),
        pytest.param("The answer is neither A nor B", None, id="both negated"),
        pytest.param("The answer is B. Sorry, the answer is not B.", None, id="retracted"),
        pytest.param("The incorrect answer is C", None, id="the incorrect option"),
        pytest.param("The answer is A plane", None, id="article"),
        pytest.param("I think so. A good question!", None, id="pronoun and article"),
        pytest.param("The answer is D-glucose", None, id="start of a word"),
        pytest.param("A. red\nB. green", None, id="options repeated"),
        pytest.param("Answer: Berlin", None, id="a word, not a letter"),
        pytest.param("The answer is F", None, id="no such option"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_last_clear_statement_is_the_choice(reply, letter):
    """
    A letter counts only if it is unambiguously the answer.
    """
    assert extract_choice(reply, option_letters(QUESTION)) == letter


@pytest.mark.parametrize(
    ("question", "letters"),
    [
        pytest.param(QUESTION, "ABCD", id="one per line"),
        pytest.param("Which? (A) red (B) green", "AB", id="in one line"),
        pytest.param("Which?\nA. (A) x (B) y\nB. (A) y\nC. z", "ABC", id="markers inside options"),
        pytest.param("Name a colour.", "", id="no options"),
        pytest.param("\n".join(f"{c}. x" for c in LETTERS), LETTERS, id="all ten"),
        pytest.param("A. Turing met B. Russell.\nA. yes\nB. no\nC. both", "ABC", id="initials"),
    ],
)
def test_options_are_found_in_the_question(question, letters):
    """
    Options are markers in alphabetical order from A.
    """
    assert option_letters(question) == letters


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        pytest.param("The answer is 1,234.5 km.", 1234.5, id="separator and unit"),
        pytest.param("#### 42", 42, id="hashes"),
        pytest.param(r"\boxed{\frac{3}{4}}", 0.75, id="fraction"),
        pytest.param("3/4", 0.75, id="slash"),
        pytest.param("It is 1.2 × 10^{-3} m", 0.0012, id="power of ten"),
        pytest.param("50 %", 0.5, id="percent"),
        pytest.param("−7", -7, id="typographic minus"),
        pytest.param("$1{,}000$", 1000, id="LaTeX separator"),
        pytest.param("3 apples and 4 make 3 + 4 = 7", 7, id="after the last equals sign"),
        pytest.param("12 boxes of 3.\nThat is 36.", 36, id="only one in the last line"),
        pytest.param("The answer is 3 or 4", None, id="two stated"),
        pytest.param("about 3 and 4", None, id="two"),
        pytest.param("1e999", None, id="too large"),
        pytest.param("forty-two", None, id="none"),
    ],
)
def test_the_stated_number_is_extracted(reply, number):
    """
    With separators, power, fraction or percent sign.
    """
    extracted = extract_number(reply)

    assert extracted is None if number is None else math.isclose(extracted[0], number)


@pytest.mark.parametrize(
    ("grader", "reply", "gold", "grade"),
    [
        pytest.param("numeric", "3.14", "3.14159", 0, id="rounded is not equal"),
        pytest.param("numeric:0.01", "3.14", "3.14159", 1, id="within a relative tolerance"),
        pytest.param("numeric:0,0.5", "0.4", "0", 1, id="within an absolute tolerance"),
        pytest.param("numeric", "The answer is 50%", "50", 1, id="percent sign as unit"),
        pytest.param("exact", " Paris\n", "Paris", 1, id="surrounding space is ignored"),
        pytest.param("exact", "paris", "Paris", 0, id="case matters"),
        pytest.param("text", "the PARIS!", "Paris", 1, id="only words matter"),
        pytest.param("text", "Hm.\nAnswer: Paris.", "paris", 1, id="stated"),
        pytest.param("text", "Rome", "Paris", 0, id="other words"),
        pytest.param("text", "It is not Paris", "Paris", None, id="among other words"),
        pytest.param("auto", "(B)", "B", 1, id="auto selects choice for a letter"),
    ],
)
def test_a_reply_is_graded(grader, reply, gold, grade):
    """
    1 right, 0 wrong, None unknown.
    """
    assert grader_for(grader, gold, QUESTION, "q").grade(reply, gold, QUESTION) == grade


@pytest.mark.parametrize(
    ("grader", "replies"),
    [
        pytest.param("choice", ["(B)", "So **the answer is B**."], id="letters"),
        pytest.param("numeric", ["6 * 7 = 42.0", "The answer is 42"], id="numbers"),
        pytest.param("numeric", ["50 %", "0.5"], id="percentages"),
        pytest.param("exact", ["Paris", " Paris\n"], id="whole replies"),
        pytest.param("text", ["the PARIS!", "Hm.\nAnswer: Paris."], id="words"),
    ],
)
def test_equal_answers_of_different_replies_are_extracted_alike(grader, replies):
    """
    So that a majority can be found; another answer is another, and no answer is None.
    """
    extract = make_grader(grader).extract

    assert len({extract(reply, QUESTION) for reply in replies}) == 1
    assert extract("The answer is 7: C", QUESTION) != extract(replies[0], QUESTION)
    assert extract("", QUESTION) is None


def test_a_custom_grader_extracts_nothing():
    """
    It only says how good a reply is.
    """
    assert make_grader("python:operator:countOf").extract is None


def test_auto_selects_numeric_for_a_question_without_options():
    """
    A number as gold answer is ambiguous if the question has options.
    """
    assert grader_for("auto", "42", "How many?", "q").name == "numeric"
    with pytest.raises(QuestionError, match="does not determine a grader"):
        grader_for("auto", "42", QUESTION, "q")


def test_auto_selects_literal_for_an_assertion_to_complete():
    """
    Also if the literal is a number; a gold answer that is no literal determines no grader.
    """
    question = "def f(x):\n    return [x]\nassert f(1) == ??\nComplete it."

    assert grader_for("auto", "[1]", question, "q").name == "literal"
    assert grader_for("auto", "1", question, "q").name == "literal"
    with pytest.raises(QuestionError, match="does not determine a grader"):
        grader_for("auto", "f(1)", question, "q")
    with pytest.raises(QuestionError, match="expected a Python literal"):
        grader_for("literal", "f(1)", question, "q")


@pytest.mark.parametrize(
    ("grader", "gold", "message"),
    [
        pytest.param("choice", "E", "options are A to D", id="no such option"),
        pytest.param("numeric", "two", "expected one number", id="no number"),
        pytest.param("text", "!?", "neither letters nor digits", id="no words"),
        pytest.param("exact", None, "no gold answer", id="no gold"),
    ],
)
def test_a_gold_answer_that_no_reply_can_match_is_rejected(grader, gold, message):
    """
    Before a model is called.
    """
    with pytest.raises(QuestionError, match=message):
        grader_for(grader, gold, QUESTION, "question 7")


@pytest.mark.parametrize(
    "name", ["nope", "numeric:-1", "numeric:x", "numeric:1,2,3", "python:no.such:f", "python:math"]
)
def test_an_invalid_grader_is_rejected(name):
    """
    The message has its name.
    """
    with pytest.raises(ConfigError, match=name):
        make_grader(name)


def test_a_custom_function_grades(tmp_path, monkeypatch):
    """
    It returns a number from 0 to 1, or None; any other result is an error.
    """
    source = (
        "def mark(reply, gold, question):\n    return {'half': 0.5, 'none': None}.get(reply, 7)"
    )
    (tmp_path / "our_marks.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    grade = make_grader("python:our_marks:mark").grade

    assert (grade("half", None, ""), grade("none", None, "")) == (0.5, None)
    with pytest.raises(ValueError, match="expected None or a number"):
        grade("seven", None, "")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(reply=st.text() | st.from_regex(r"(the answer is|\\boxed\{|[A-J(),.*$ \d/%eE^-]){0,9}"))
def test_arbitrary_replies_never_raise(kind, reply):
    """
    Every reply is right, wrong or unknown.
    """
    assert make_grader(kind).grade(reply, KINDS[kind], QUESTION) in (None, 0.0, 1.0)


@given(st.text(alphabet="abcdefg hijklmnop qrstuvwxyz,.!\n"))
def test_prose_without_a_letter_is_never_wrong(reply):
    """
    A reply without an option has no grade; it is not a wrong choice.
    """
    words = " ".join(word for word in reply.split() if len(word.strip(",.!")) > 1)

    assert make_grader("choice").grade(words, "B", QUESTION) is None


@given(st.sampled_from("ABCD"), st.sampled_from(["The answer is {}.", "**{}**", "Answer: ({})"]))
def test_a_clear_choice_is_always_extracted(letter, form):
    """
    Every option in every common form.
    """
    assert extract_choice(form.format(letter), option_letters(QUESTION)) == letter


@given(st.floats(-1e12, 1e12, allow_nan=False), st.sampled_from(["{!r}", "{:,.6f}", "{:e}"]))
def test_a_number_is_extracted_in_any_notation(value, form):
    """
    As `repr`, with thousands separators, or with a power of ten.
    """
    text = form.format(value)

    extracted = extract_number(f"The answer is {text}.")

    assert extracted is not None
    assert math.isclose(extracted[0], float(text.replace(",", "")), rel_tol=1e-12)
