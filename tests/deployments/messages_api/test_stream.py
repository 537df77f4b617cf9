"""Chunks of a chat completion as events, checked by Anthropic's own types and accumulator."""

import json
from itertools import pairwise

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from deployments.messages_api import MessagesTranslation

EVENT = TypeAdapter(RawMessageStreamEvent)
REQUEST = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 10}, "scope": {"a": 1}}


def delta(finish_reason=None, **fields):
    """A chunk with a piece of the answer."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish_reason}
    return {"id": "chatcmpl-7", "model": "small", "choices": [choice]}


def piece(index, arguments="", **more):
    """A chunk with a piece of a tool call."""
    function = {"arguments": arguments} | ({"name": more.pop("name")} if "name" in more else {})
    return delta(tool_calls=[{"index": index, "function": function, **more}])


def parsed(events):
    """The data of events; each name is that of its type."""
    found = []
    for event in events.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def events_of(*chunks):
    """The events of a whole stream; their sequence is legal and their types are Anthropic's."""
    stream = MessagesTranslation.from_json(REQUEST).stream()
    events = parsed(b"".join([*map(stream.feed, chunks), stream.finish()]))
    check_sequence(events)
    for event in events:
        EVENT.validate_json(json.dumps(event), strict=True)
    return events


def check_sequence(events):
    """Fail unless blocks are numbered from 0 and follow each other."""
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    index, is_open = -1, False
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert not is_open
            index, is_open = index + 1, True
        assert is_open
        assert event["index"] == index
        is_open = event["type"] != "content_block_stop"
    assert not is_open


def message_of(events):
    """The message that Anthropic's client makes of events."""
    message, buffers = None, {}
    for event in events:
        event = EVENT.validate_python(event)
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
    return message


def test_the_parts_of_a_stream_are_in_order():
    """
    The last event but one has the reason, the counts and our field.
    """
    events = events_of(
        delta(role="assistant", content=""),
        delta(content="Fo"),
        delta(content="ur."),
        delta("stop"),
        USAGE,
    )

    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["id"] == "msg_chatcmpl-7"
    assert events[0]["message"]["model"] == "small"
    assert events[2]["delta"] == {"type": "text_delta", "text": "Fo"}
    assert events[5]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[5]["usage"]["input_tokens"] == 20
    assert events[5]["scope"] == {"a": 1}


def test_each_chunk_is_sent_as_it_comes():
    """
    Nothing waits for the end.
    """
    stream = MessagesTranslation.from_json(REQUEST).stream()
    stream.feed(delta(content="a"))
    text = parsed(stream.feed(delta(content="b")))
    stream.feed(piece(0, name="add", id="c1"))
    arguments = parsed(stream.feed(piece(0, '{"a"')))

    assert [event["delta"] for event in text] == [{"type": "text_delta", "text": "b"}]
    assert [event["delta"]["partial_json"] for event in arguments] == ['{"a"']


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [
                piece(0, '{"a": ', name="add", id="c1"),
                piece(0, "1}"),
                piece(1, '{"b": ', name="sub", id="c2"),
                piece(1, "2}"),
            ],
            id="one after the other",
        ),
        pytest.param(
            [
                piece(0, '{"a"', name="add", id="c1"),
                piece(1, '{"b": ', name="sub", id="c2"),
                piece(0, ": 1}"),
                piece(1, "2}"),
            ],
            id="mixed",
        ),
        pytest.param(
            [piece(0, '{"a": 1}', name="add", id="c1"), piece(0, '{"b": 2}', name="sub", id="c2")],
            id="one index for all",
        ),
        pytest.param(
            [
                delta(
                    tool_calls=[
                        {"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}},
                        {"id": "c2", "function": {"name": "sub", "arguments": {"b": 2}}},
                    ]
                )
            ],
            id="whole, without an index",
        ),
    ],
)
def test_tool_calls_follow_each_other(chunks):
    """
    However their pieces arrive.
    """
    message = message_of(events_of(*chunks, delta("tool_calls"), USAGE))

    assert [(block.id, block.name, block.input) for block in message.content] == [
        ("c1", "add", {"a": 1}),
        ("c2", "sub", {"b": 2}),
    ]
    assert message.stop_reason == "tool_use"


def test_a_call_waits_for_the_end_of_the_one_before():
    """
    Its pieces are sent as soon as the arguments before it are complete.
    """
    stream = MessagesTranslation.from_json(REQUEST).stream()
    stream.feed(piece(0, '{"a"', name="add", id="c1"))
    held = stream.feed(piece(1, '{"b": ', name="sub", id="c2"))
    released = parsed(stream.feed(piece(0, ": 1}")))

    assert held == b""
    assert [event["type"] for event in released] == [
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def test_a_signature_ends_its_thinking():
    """
    Its pieces are joined: a client replaces one by the next.
    """
    first, second = (
        {"type": "reasoning.text", "text": "Hm.", "index": 0},
        {"type": "reasoning.text", "signature": "c2", "index": 0},
    )
    message = message_of(
        events_of(
            delta(reasoning="Hm.", reasoning_details=[first]),
            delta(reasoning_details=[second]),
            delta(reasoning_details=[second | {"signature": "ln"}]),
            delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "eHh4", "index": 1}]),
            delta(content="Four."),
            delta("stop"),
            USAGE,
        )
    )

    thinking, redacted, text = message.content
    assert (thinking.thinking, thinking.signature) == ("Hm.", "c2ln")
    assert (redacted.type, redacted.data) == ("redacted_thinking", "eHh4")
    assert text.text == "Four."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "broke off", "code": "upstream_failed"}, "api_error"),
        ({"message": "broke off", "code": "upstream_rate_limited"}, "rate_limit_error"),
        ({"message": "broke off", "code": "upstream_timeout"}, "timeout_error"),
        ({"message": "broke off", "code": None}, "api_error"),
    ],
)
def test_a_broken_stream_ends_with_an_error(error, kind):
    """
    Its type is known by our code.
    """
    (event,) = parsed(MessagesTranslation.from_json(REQUEST).stream().fail(error))

    assert event == {"type": "error", "error": {"type": kind, "message": "broke off"}}


def test_an_answer_without_a_word_is_whole():
    """
    Unknown counts are null, and were nothing so far at the start.
    """
    stream = MessagesTranslation.from_json(REQUEST).stream()
    events = parsed(stream.feed(delta("stop")) + stream.finish())

    check_sequence(events)
    assert events[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert events[-2]["usage"]["input_tokens"] is None
    assert events[-2]["usage"]["output_tokens"] is None


texts = st.text(max_size=3)
objects = st.dictionaries(texts, st.integers() | texts, max_size=2).map(json.dumps)
calls = st.lists(objects, max_size=3)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def pieces_of(draw, index, arguments):
    """The chunks of one tool call, cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
    ends = [*cuts, len(arguments)]
    yield piece(index, arguments[: ends[0]], name=f"tool_{index}", id=f"call_{index}")
    for start, end in pairwise(ends):
        yield piece(index, arguments[start:end])


@given(st.data(), calls, st.lists(st.tuples(st.sampled_from(["content", "reasoning"]), texts)))
def test_whatever_is_streamed_arrives(data, arguments, said):
    """
    Texts and tool calls, their pieces in any order among each other: all is there, once.
    """
    queues = [list(pieces_of(data.draw, index, text)) for index, text in enumerate(arguments)]
    queues.append([delta(**{kind: text}) for kind, text in said])
    chunks = []
    while queues := [queue for queue in queues if queue]:
        chunks.append(data.draw(st.sampled_from(queues)).pop(0))

    events = events_of(*chunks, delta("stop"), USAGE)

    message = message_of(events)
    joined = {"content": "", "reasoning": ""}
    for kind, text in said:
        joined[kind] += text
    blocks = message.content
    assert "".join(b.text for b in blocks if b.type == "text") == joined["content"]
    assert "".join(b.thinking for b in blocks if b.type == "thinking") == joined["reasoning"]
    inputs = {block.name: block.input for block in blocks if block.type == "tool_use"}
    assert inputs == {f"tool_{index}": json.loads(text) for index, text in enumerate(arguments)}


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "content": anything,
                "reasoning": anything,
                "reasoning_details": st.lists(
                    st.dictionaries(st.sampled_from(["type", "text", "data", "index"]), anything)
                ),
                "refusal": anything,
                "tool_calls": st.lists(
                    st.dictionaries(st.sampled_from(["index", "id", "function"]), anything)
                ),
            },
        ),
        max_size=6,
    )
)
def test_no_chunk_breaks_the_sequence(deltas):
    """
    Fields of any type: what cannot be read is left out.
    """
    stream = MessagesTranslation.from_json(REQUEST).stream()
    chunks = [delta(**fields) for fields in deltas]

    check_sequence(parsed(b"".join([*map(stream.feed, chunks), stream.finish()])))
