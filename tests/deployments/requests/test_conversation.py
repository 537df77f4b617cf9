import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.requests.chat import Message
from deployments.requests.conversation import (
    carries_only_tool_results,
    routing_text,
    turn_key,
)
from scope.conversation import CONTEXT_CHARS

CALL = Message(role="assistant", tool_calls=[{"id": "1"}])
RESULT = Message(role="tool", content="42 files", tool_call_id="1")


def user(content):
    return Message(role="user", content=content)


def assistant(content):
    return Message(role="assistant", content=content)


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        pytest.param([user("2+2?")], "2+2?", id="one message is its prompt"),
        pytest.param([user(parts("2", "+2?"))], "2\n+2?", id="parts"),
        pytest.param(
            [user([{"type": "image_url", "image_url": {}}, *parts("Who?")])], "Who?", id="image"
        ),
        pytest.param(
            [user("Delete all?"), assistant("Sure?"), user("yes")],
            "yes\n\nSure?\n\nDelete all?",
            id="what came before stands last, newest first",
        ),
        pytest.param(
            [Message(role="system", content="Be kind."), user("Hi")], "Hi", id="no system prompt"
        ),
        pytest.param([user("Count."), CALL, RESULT], "Count.", id="tool results belong to a turn"),
        pytest.param([user("Hi"), user("  ")], "Hi", id="spaces are no message"),
    ],
)
def test_the_latest_human_message_is_routed_on(messages, text):
    """
    With the messages around it.
    """
    assert routing_text(messages, 100) == (text, False, True)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=2_000))))
def test_context_is_bounded(turns):
    """
    However long a conversation grows, the text that is embedded does not.
    """
    messages = [*(Message(role=role, content=text) for role, text in turns), user("and now?")]

    got = routing_text(messages, 100).text

    breaks = 2 * len(messages)
    assert got.startswith("and now?")
    assert len(got) <= len("and now?") + CONTEXT_CHARS + breaks


@pytest.mark.parametrize(
    ("messages", "whole"),
    [
        pytest.param([user("   ")], "   ", id="only spaces"),
        pytest.param([Message(role="system", content="Be kind.")], "Be kind.", id="system only"),
        pytest.param([Message(role="developer", content="Hi")], "Hi", id="developer only"),
        pytest.param([assistant("Once"), assistant("upon")], "Once\n\nupon", id="assistant only"),
        pytest.param([user([{"type": "image_url", "image_url": {}}])], "", id="image only"),
        pytest.param([user(None)], "", id="null"),
        pytest.param([CALL, RESULT], "\n\n42 files", id="tool loop"),
    ],
)
def test_without_human_text_there_is_none_to_route_on(messages, whole):
    """
    The text of all messages says at least how long the request is.
    """
    assert routing_text(messages, 100) == (whole, False, False)
    assert routing_text(messages, 3) == (whole[:3], False, False)


def test_a_human_text_above_the_limit_is_cut():
    """
    Only the latest one is: what came before it has its own bound, and still follows.
    """
    messages = [user("Delete all?" * 9), user("x" * 101)]

    assert routing_text(messages, 100) == ("x" * 100 + "\n\n" + "Delete all?" * 9, True, True)
    assert routing_text(messages, 101).is_cut is False


@pytest.mark.parametrize(
    ("messages", "only"),
    [
        pytest.param([user("a"), CALL, RESULT], True, id="a result"),
        pytest.param([user("a"), CALL, RESULT, RESULT], True, id="two results"),
        pytest.param(
            [user("a"), CALL, user([{"type": "tool_result", "content": "42"}])],
            True,
            id="a result as a part",
        ),
        pytest.param([user("a"), CALL, RESULT, user("stop")], False, id="someone spoke"),
        pytest.param([user("a")], False, id="first turn"),
        pytest.param([user("a"), assistant("b")], False, id="the model spoke last"),
    ],
)
def test_a_turn_of_tool_results_is_told_apart(messages, only):
    """
    It stays on its model.
    """
    assert carries_only_tool_results(messages) is only


def test_a_turn_keeps_its_name_through_its_tool_calls():
    """
    Agents send no session id; the next question of the same person has another name.
    """
    first = [user("Count the files.")]
    after_tools = [*first, CALL, RESULT, CALL, RESULT]

    assert turn_key(after_tools) == turn_key(first)
    assert turn_key([*after_tools, assistant("42"), user("Sure?")]) != turn_key(first)
