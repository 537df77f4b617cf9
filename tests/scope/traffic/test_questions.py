import json

import pytest

from scope.routing import LoggedRequest
from scope.traffic.questions import TrafficQuestions
from tests.factories.decision_logs import two_models


def logged(name, prompt, **other):
    record = two_models(name, prompt=prompt, **other)
    return LoggedRequest.model_validate_json(json.dumps(record))


def read(*requests):
    return TrafficQuestions.from_requests(requests)


def test_texts_that_differ_in_white_space_are_one_question():
    """
    The request with the first id stands for them, however they are ordered.
    """
    traffic = read(logged("b", "What  is\n2 + 2?"), logged("a", "What is 2 + 2? "))

    [question] = traffic.questions
    assert (question.id, question.text, question.n_requests) == ("a", "What is 2 + 2? ", 2)


def test_questions_are_in_the_order_of_their_ids():
    """
    So that ties in a choice do not depend on the files.
    """
    assert [q.id for q in read(logged("b", "x"), logged("a", "y")).questions] == ["a", "b"]


@pytest.mark.parametrize(("continues", "n_requests"), [("bc", 2), ("abcd", 1)], ids=["some", "all"])
def test_calls_of_a_tool_loop_do_not_count(continues, n_requests):
    """
    Each repeats the text of its turn; a text whose turn began before the log counts once.
    """
    traffic = read(*(logged(name, "x", continues_turn=name in continues) for name in "abcd"))

    assert traffic.questions[0].n_requests == n_requests


def test_a_whole_text_stands_for_the_others():
    """
    It can be asked again without a loss.
    """
    traffic = read(
        logged("a", "x", prompt_is_whole=False, session="s"),
        logged("b", "x", prompt_is_whole=True, session="t"),
    )

    [question] = traffic.questions
    assert (question.id, question.session, question.is_whole) == ("b", "t", True)


def test_requests_without_a_text_are_counted_only():
    """
    Those of a client that named its model, and blank ones.
    """
    traffic = read(logged("a", None), logged("b", " \n"), logged("c", "x"))

    assert (traffic.n_read, traffic.n_with_text, len(traffic.questions)) == (3, 1, 1)
