"""The turns of Anthropic's Messages API, made of the messages of a chat."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.upstream_api.content import content_blocks
from deployments.upstream_api.turns import NO_TEXT, conversation
from scope.upstream import UpstreamError

PDF = "data:application/pdf;base64,JVBERi0="
MARK = {"type": "ephemeral"}


def user(content):
    return {"role": "user", "content": content}


def calls(*ids, **more):
    """An answer that calls a tool once for each id."""
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    listed = [{"id": name, "type": "function", "function": function} for name in ids]
    return {"role": "assistant", "content": None, "tool_calls": listed, **more}


def result(name, content="sunny"):
    return {"role": "tool", "tool_call_id": name, "content": content}


def texts(blocks):
    return [block["text"] for block in blocks]


def test_system_messages_are_system_blocks_wherever_they_stand():
    """
    The user cannot speak in their place.
    """
    system, turns = conversation(
        [
            {"role": "system", "content": [{"type": "text", "text": "A", "cache_control": MARK}]},
            user("hi"),
            {"role": "developer", "content": "B"},
        ]
    )

    assert system == [
        {"type": "text", "text": "A", "cache_control": MARK},
        {"type": "text", "text": "B"},
    ]
    assert [turn["role"] for turn in turns] == ["user"]


def test_a_chat_of_system_messages_only_is_said_by_the_user():
    """
    The API refuses a request without a turn.
    """
    system, turns = conversation([{"role": "system", "content": "Greet."}])

    assert system == []
    assert turns == [{"role": "user", "content": [{"type": "text", "text": "Greet."}]}]


def test_a_chat_that_begins_with_the_assistant_gets_a_user_before_it():
    """
    And white space at the end of the answer that is continued is removed.
    """
    _, turns = conversation([{"role": "assistant", "content": "Once upon "}])

    assert [texts(turn["content"]) for turn in turns] == [[NO_TEXT], ["Once upon"]]


def test_all_results_of_an_answer_stand_at_the_head_of_the_next_turn():
    """
    Whatever the user says between them.
    """
    _, turns = conversation(
        [user("?"), calls("a", "b"), result("a"), user("hurry"), result("b", "wet")]
    )

    assert turns[1]["content"][0] == {
        "type": "tool_use",
        "id": "a",
        "name": "weather",
        "input": {"city": "Rome"},
    }
    assert turns[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "sunny"},
        {"type": "tool_result", "tool_use_id": "b", "content": "wet"},
        {"type": "text", "text": "hurry"},
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param("", {}, id="none"),
        pytest.param('{"a": 1}', {"a": 1}, id="JSON"),
        pytest.param("{a:", {"arguments": "{a:"}, id="broken JSON"),
        pytest.param("[1]", {"arguments": "[1]"}, id="no object"),
    ],
)
def test_the_input_of_a_tool_is_an_object(arguments, expected):
    """
    Other models write broken arguments, and the chat goes on.
    """
    message = calls("a")
    message["tool_calls"][0]["function"] = {"name": "f", "arguments": arguments}

    assert conversation([user("?"), message])[1][1]["content"][0]["input"] == expected


def test_names_of_calls_have_no_marks_that_the_api_refuses():
    """
    The result still names its call.
    """
    name = "functions.weather:0"
    _, turns = conversation([user("?"), calls(name), result(name)])

    assert turns[1]["content"][0]["id"] == "functions_weather_0"
    assert turns[2]["content"][0]["tool_use_id"] == "functions_weather_0"


def test_signed_thinking_comes_first_and_its_pieces_are_joined():
    """
    A client may send back the pieces of a stream. Thinking that is not signed, or that another
    maker's model signed, is left out.
    """
    details = [
        {"type": "reasoning.text", "text": "Let ", "index": 0},
        {"type": "reasoning.text", "text": "me.", "index": 0},
        {"type": "reasoning.text", "signature": "s1", "index": 0},
        {"type": "reasoning.encrypted", "data": "d1", "index": 1},
        {"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1", "index": 2},
        {"type": "reasoning.text", "text": "unsigned", "index": 3},
    ]
    _, turns = conversation([user("?"), calls("a", reasoning_details=details)])

    assert turns[1]["content"][:2] == [
        {"type": "thinking", "thinking": "Let me.", "signature": "s1"},
        {"type": "redacted_thinking", "data": "d1"},
    ]
    assert [block["type"] for block in turns[1]["content"][2:]] == ["tool_use"]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        pytest.param(
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"},
            },
            id="image",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}, "cache_control": MARK},
            {
                "type": "image",
                "source": {"type": "url", "url": "https://a.b/c.png"},
                "cache_control": MARK,
            },
            id="address of an image",
        ),
        pytest.param(
            {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                "title": "a.pdf",
            },
            id="PDF",
        ),
        pytest.param(
            {
                "type": "file",
                "file": {
                    "file_data": "data:text/csv;base64," + base64.b64encode("ä,b".encode()).decode()
                },
            },
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "ä,b"},
            },
            id="text",
        ),
    ],
)
def test_attachments_become_blocks(part, block):
    """
    With their data, or with their address.
    """
    assert content_blocks([part]) == [block]


@pytest.mark.parametrize(
    ("part", "subject"),
    [
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, "audio_input"),
        ({"type": "video_url", "video_url": {"url": "https://a.b"}}, "video_input"),
        ({"type": "file", "file": {"file_id": "file-1"}}, None),
        ({"type": "file", "file": {"file_data": "data:application/zip;base64,AA"}}, None),
        ({"type": "hologram"}, None),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_what_has_no_block_is_refused(part, subject):
    """
    As a capability that the model lacks, so that another model is asked.
    """
    with pytest.raises(UpstreamError) as raised:
        content_blocks([part])

    assert raised.value.is_client_error
    assert raised.value.refusal.subject == subject


WORDS = st.sampled_from(["", " ", "Rome", "ä"])
LOOPS = st.lists(
    st.one_of(
        WORDS.map(lambda text: [user(text)]),
        WORDS.map(lambda text: [{"role": "assistant", "content": text}]),
        WORDS.map(lambda text: [{"role": "system", "content": text}]),
        st.tuples(st.integers(1, 3), WORDS, WORDS).map(
            lambda drawn: [
                calls(*(f"call.{i}" for i in range(drawn[0])), content=drawn[1]),
                *(result(f"call.{i}", drawn[2]) for i in range(drawn[0])),
            ]
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(LOOPS)
def test_every_chat_becomes_turns_that_the_api_takes(parts):
    """
    Roles alternate from the user on, no text is empty, and each result follows its call.
    """
    system, turns = conversation([message for part in parts for message in part])

    roles = [turn["role"] for turn in turns]
    assert roles == (["user", "assistant"] * len(turns))[: len(turns)]
    assert roles
    for turn in [{"content": system, "role": "user"} if system else turns[0], *turns]:
        assert turn["content"]
        assert all(block["text"].strip() for block in turn["content"] if block["type"] == "text")
    for before, turn in zip([{"content": []}, *turns], turns, strict=False):
        called = [block["id"] for block in before["content"] if block["type"] == "tool_use"]
        given_back = [b["tool_use_id"] for b in turn["content"] if b["type"] == "tool_result"]
        assert given_back == called
        kinds = [block["type"] for block in turn["content"]]
        assert "tool_result" not in kinds[len(given_back) :]
