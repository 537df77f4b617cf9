import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.requests.chat import Message
from deployments.requests.conversation import (
    continues_turn,
    conversation_key,
    is_whole,
    routing_text,
    turn_key,
)
from scope.conversation import CONTEXT_CHARS
from scope.questions.prompts import row_prompt
from tests.factories.harness_chats import each_chat

REMINDER = "<system-reminder>\nBe brief.\n</system-reminder>"
IMAGE = {"type": "image_url", "image_url": {"url": "a"}}
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
        pytest.param([user("Hi"), user(REMINDER)], "Hi", id="a reminder is no message"),
        pytest.param([user(parts(REMINDER, "Hi"))], "Hi", id="a reminder is no part"),
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
        pytest.param([user(REMINDER)], REMINDER, id="reminder only"),
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


def test_an_envelope_does_not_cut_the_human_text():
    """
    The limit is one of what the human wrote.
    """
    long = f"<system-reminder>\n{'x' * 200}\n</system-reminder>\nHi"

    assert routing_text([user(long)], 100) == ("Hi", False, True)


@each_chat
def test_a_harness_is_seen_through(chat):
    """
    The decision is made on what the human wrote, offline on the same, and a tool loop is one.
    """
    messages = [Message.model_validate(message) for message in chat["messages"]]

    text, _, is_of_user = routing_text(messages, 1_000)
    assert text.split("\n\n")[0] == chat["human"]
    assert is_of_user
    assert text == row_prompt(chat, (), chat["id"])
    assert continues_turn(messages) is chat["tool_loop"]


@pytest.mark.parametrize(
    ("messages", "continues"),
    [
        pytest.param([user("a"), CALL, RESULT], True, id="a result"),
        pytest.param([user("a"), CALL, RESULT, RESULT], True, id="two results"),
        pytest.param(
            [user("a"), CALL, user([{"type": "tool_result", "content": "42"}])],
            True,
            id="a result as a part",
        ),
        pytest.param([user("a"), CALL, RESULT, user(REMINDER)], True, id="a reminder behind"),
        pytest.param([user("a"), CALL, user(REMINDER), RESULT], True, id="a reminder before"),
        pytest.param(
            [user("a"), CALL, RESULT, Message(role="system", content="Be brief.")],
            True,
            id="a system message",
        ),
        pytest.param([user("a"), CALL, RESULT, user("stop")], False, id="someone spoke"),
        pytest.param([user("a"), CALL, RESULT, user(f"{REMINDER}\nstop")], False, id="both"),
        pytest.param([user("a"), CALL, RESULT, user([IMAGE])], True, id="the tool's image"),
        pytest.param([user("a"), assistant("b"), user([IMAGE])], False, id="a human's image"),
        pytest.param(
            [user("a"), CALL, RESULT, user([IMAGE, *parts("see")])], False, id="image and words"
        ),
        pytest.param([user("a")], False, id="first turn"),
        pytest.param([user(REMINDER)], False, id="no model yet"),
        pytest.param([user("a"), assistant("b")], False, id="the model spoke last"),
    ],
)
def test_a_message_without_a_human_continues_the_turn(messages, continues):
    """
    It stays on its model.
    """
    assert continues_turn(messages) is continues


def test_a_turn_keeps_its_key_through_its_tool_calls():
    """
    Agents send no session id; the next question of the same person has another key.
    """
    first = [user("Count the files.")]
    after_tools = [*first, CALL, RESULT, CALL, RESULT]

    assert turn_key(after_tools) == turn_key(first)
    assert turn_key([*after_tools, assistant("42"), user("Sure?")]) != turn_key(first)


FIRST = [user("Hi"), assistant("Hello"), user("Count the files.")]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([user(f"{REMINDER}\nHi"), *FIRST[1:]], id="a reminder in an earlier message"),
        pytest.param([user(REMINDER), *FIRST], id="a message of its own"),
        pytest.param([*FIRST, CALL, RESULT, user(REMINDER)], id="a reminder behind the results"),
        pytest.param([*FIRST[:2], user(parts("Count the files.", REMINDER))], id="as a part"),
        pytest.param(
            [*FIRST[:2], user([{**parts("Count the files.")[0], "cache_control": {}}])],
            id="a mark of the cache",
        ),
        pytest.param([Message(role="system", content="12:30"), *FIRST], id="another system prompt"),
        pytest.param([FIRST[0], CALL, RESULT, *FIRST[1:]], id="an earlier tool result"),
    ],
)
def test_what_a_harness_moves_leaves_the_key(messages):
    """
    Else a tool loop lost its model whenever a reminder comes or goes.
    """
    assert turn_key(messages) == turn_key(FIRST)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([user("Hello"), *FIRST[1:]], id="the human began otherwise"),
        pytest.param([FIRST[0], assistant("Hey"), FIRST[2]], id="the model said something else"),
        pytest.param([*FIRST[:2], user([*parts("Count the files."), IMAGE])], id="with an image"),
        pytest.param([FIRST[2]], id="without what came before"),
        pytest.param([user("Hi\nHello\nCount the files.")], id="in one message"),
    ],
)
def test_another_conversation_has_another_key(messages):
    """
    Also with the same last words.
    """
    assert turn_key(messages) != turn_key(FIRST)


@pytest.mark.parametrize("n_messages", [1, 2, 3, 5])
def test_all_turns_of_a_conversation_have_one_key(n_messages):
    """
    Whatever came before it that no human wrote.
    """
    messages = [*FIRST, CALL, RESULT][:n_messages]

    assert conversation_key(messages) == conversation_key([user("Hi")])
    assert conversation_key([user(REMINDER), *messages]) == conversation_key([user("Hi")])
    assert conversation_key([user("Hello"), *messages]) != conversation_key([user("Hi")])


@pytest.mark.parametrize(
    ("messages", "whole"),
    [
        pytest.param([user("Hi")], True, id="text"),
        pytest.param([user(parts("Hi", "you"))], True, id="parts of text"),
        pytest.param([user([IMAGE, *parts("Hi")])], False, id="image"),
        pytest.param([user(f"{REMINDER}\nHi")], False, id="reminder"),
        pytest.param([Message(role="system", content="Be kind."), user("Hi")], False, id="system"),
        pytest.param([Message(role="system", content="Be kind.")], False, id="system alone"),
        pytest.param(FIRST, False, id="conversation"),
        pytest.param([user("x" * 101)], False, id="cut"),
    ],
)
def test_a_text_is_whole_if_it_is_all_that_a_model_gets(messages, whole):
    """
    Only then can the model be asked again by it.
    """
    assert is_whole(messages, routing_text(messages, 100).text) is whole


def test_a_tool_loop_without_human_text_has_a_key_of_its_beginning():
    """
    An image alone starts a turn, too.
    """
    first = [user([IMAGE])]

    assert turn_key([*first, CALL, RESULT]) == turn_key(first)
    assert turn_key([user([{**IMAGE, "image_url": {"url": "b"}}])]) != turn_key(first)
    assert continues_turn([*first, CALL, RESULT])
