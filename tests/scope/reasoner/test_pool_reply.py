"""Replies about a whole pool: what is written can be read, and the grammar permits it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.reasoner.answers import parse_pool_prediction
from scope.reasoner.pool_reply import (
    FORCED_POOL_PREFIX,
    parse_pool_reply,
    pool_reply_grammar,
    write_pool_reply,
)
from scope.reasoner.reply import ParsedReply
from scope.reasoner.template import ExampleOutcome

YES, NO, OTHER = 1, 2, 3

outcomes = st.lists(
    st.builds(ExampleOutcome, st.integers(0, 99_999).map(float), st.booleans()), min_size=1
)


@given(outcomes)
def test_a_written_reply_is_read_back(outcomes):
    """
    Without reasoning, and after an analysis that imitates a line.
    """
    expected = [ParsedReply(int(tokens), correct) for tokens, correct in outcomes]
    forced = FORCED_POOL_PREFIX + write_pool_reply(outcomes)
    reasoned = write_pool_reply(outcomes, "Say\n1: {len: 7, correct: no}\nor so", "short")

    assert parse_pool_reply(forced, len(outcomes)) == expected
    assert parse_pool_reply(reasoned, len(outcomes)) == expected


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        pytest.param(" 5, correct: yes}\n2: {len: 6, correct: no}", [True, False], id="whole"),
        pytest.param(" 5, correct: yes}\n2: {len: 6, corr", [True, None], id="cut"),
        pytest.param(
            " 5, correct: yes}\n3: {len: 6, correct: no}", [True, None], id="line missing"
        ),
        pytest.param(" 5, corr", [None, None], id="nothing"),
    ],
)
def test_lines_that_are_missing_are_unknown(text, answers):
    """
    The lines before them count.
    """
    replies = parse_pool_reply(FORCED_POOL_PREFIX + text, 2)

    assert [reply.correct for reply in replies] == answers


def read(text, token_ids, logprobs, **settings):
    settings = {"n_models": 2, "reasoning": "none", "temperature": 0.0, **settings}
    return parse_pool_prediction(text, token_ids, logprobs, YES, NO, **settings)


FIRST, SECOND = {YES: -0.2231, NO: -1.6094}, {YES: -2.3026, NO: -0.1054}
"""Log probabilities of 0.8 and 0.2, 0.1 and 0.9."""


def test_each_line_has_the_probability_at_its_own_answer():
    text = " 50, correct: yes}\n2: {len: 60, correct: no}"

    first, second = read(text, [OTHER, YES, OTHER, NO], [{}, FIRST, {}, SECOND])

    assert (first.p_yes, first.tokens) == (pytest.approx(0.8, abs=1e-3), 50)
    assert (second.p_yes, second.tokens) == (pytest.approx(0.1, abs=1e-3), 60)


def test_the_temperature_is_divided_out():
    """
    At temperature 0.5 the engine's log odds are doubled.
    """
    text = " 50, correct: yes}\n2: {len: 60, correct: no}"

    first, _ = read(text, [YES, NO], [FIRST, SECOND], temperature=0.5)

    assert first.p_yes == pytest.approx(2 / 3, abs=1e-3)  # the odds of 4 become 2


def test_a_line_that_is_missing_is_nan_and_the_others_keep_theirs():
    first, second = read(" 50, correct: yes}\n2: {len: 6", [OTHER, YES, OTHER], [{}, FIRST, {}])

    assert first.p_yes == pytest.approx(0.8, abs=1e-3)
    assert second.p_yes != second.p_yes
    assert second.tokens != second.tokens


def test_answers_in_the_analysis_are_not_those_of_a_line():
    """
    The last answers are; the word yes may be in an analysis.
    """
    reply = write_pool_reply(
        [ExampleOutcome(50, True), ExampleOutcome(60, False)], "no doubt", "short"
    )

    first, second = read(
        reply, [NO, OTHER, YES, OTHER, NO], [SECOND, {}, FIRST, {}, SECOND], reasoning="short"
    )

    assert [round(it.p_yes, 2) for it in (first, second)] == [0.8, 0.1]


def test_an_answer_that_is_not_the_token_of_its_line_has_no_probability():
    text = " 50, correct: yes}\n2: {len: 60, correct: no}"

    first, second = read(text, [NO, NO], [SECOND, SECOND])

    assert first.p_yes != first.p_yes
    assert second.p_yes == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("reasoning", ["none", "short"])
def test_the_grammar_has_a_line_for_each_model_in_order(reasoning):
    grammar = pool_reply_grammar(3, YES, NO, reasoning, 96)

    start = next(line for line in grammar.splitlines() if line.startswith("start:"))
    assert start.count("LEN") == start.count("answer") == 3
    assert start.index('"\\n2: {len: "') < start.index('"\\n3: {len: "')
    assert '"\\n4:' not in start
