"""Streams: whatever the chunks, the events are legal and say the same as the whole answer."""

import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent

from deployments.responses_api.translation import ResponseTranslation

EVENTS = {
    get_args(event.model_fields["type"].annotation)[0]: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
}
"""Type -> the official class of an event."""
BODY = {
    "model": "auto",
    "input": "x",
    "tools": [{"type": "function", "name": "look"}, {"type": "custom", "name": "shell"}],
}

pieces = st.text(max_size=4)
calls = st.fixed_dictionaries(
    {"function": st.fixed_dictionaries({"arguments": pieces})},
    optional={"index": st.integers(0, 2), "id": st.sampled_from(["a", "b"])},
) | st.fixed_dictionaries(
    {
        "index": st.integers(0, 2),
        "id": st.sampled_from(["a", "b", "c"]),
        "function": st.fixed_dictionaries(
            {"name": st.sampled_from(["look", "shell", "other"]), "arguments": pieces}
        ),
    }
)
details = st.fixed_dictionaries(
    {"type": st.just("reasoning.text"), "text": pieces}, optional={"index": st.integers(0, 1)}
) | st.fixed_dictionaries({"type": st.just("reasoning.encrypted"), "data": pieces})
deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": pieces | st.none(),
        "refusal": pieces | st.none(),
        "reasoning_content": pieces | st.none(),
        "reasoning_details": st.lists(details, max_size=2),
        "tool_calls": st.lists(calls, max_size=2),
    },
)
finishes = st.sampled_from(["stop", "length", "tool_calls", None])


def chunk(delta, finish_reason=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "model": "small", "choices": [choice], **more}


def events_of(data):
    """The events of a stream, each checked by the official type."""
    events = []
    for block in data.decode().split("\n\n")[:-1]:
        name, data_line = block.split("\n")
        event = json.loads(data_line.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        EVENTS[event["type"]].model_validate(event, strict=True)
        events.append(event)
    return events


def streamed(chunks, error=None):
    stream = ResponseTranslation.from_json(BODY).stream()
    data = b"".join(map(stream.feed, chunks))
    return events_of(data + (stream.finish() if error is None else stream.fail(error)))


def check_sequence(events):
    """Check that every event has its place; returns the items that were done."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    open_items, parts, done = {}, {}, {}
    for event in events[2:]:
        kind, index = event["type"].removeprefix("response."), event.get("output_index")
        if kind == "output_item.added":
            assert index == len(open_items) + len(done)
            open_items[index] = event["item"]["id"]
        elif kind == "output_item.done":
            assert open_items.pop(index) == event["item"]["id"]
            assert index not in parts
            done[index] = event["item"]
        elif index is not None:
            assert event["item_id"] == open_items[index]
            if kind in ("content_part.added", "reasoning_summary_part.added"):
                assert index not in parts
                parts[index] = ""
            elif kind in ("content_part.done", "reasoning_summary_part.done"):
                del parts[index]
            elif kind in ("output_text.delta", "refusal.delta", "reasoning_summary_text.delta"):
                parts[index] += event["delta"]
            elif kind in ("output_text.done", "reasoning_summary_text.done"):
                assert event["text"] == parts[index]
    return [done[index] for index in sorted(done)]


def text_of(items):
    return "".join(
        part["text"]
        for item in items
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    )


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(deltas, st.none()), max_size=8), finishes)
def test_any_chunks_make_a_legal_stream(chunks, finish_reason):
    """
    Every item is opened once and closed once, and no text is lost.
    """
    sent = [chunk(delta, reason) for delta, reason in [*chunks, ({}, finish_reason)]]

    events = streamed(sent)

    last = events[-1]
    assert last["type"] == f"response.{'incomplete' if finish_reason == 'length' else 'completed'}"
    done = check_sequence(events[:-1])
    assert done == last["response"]["output"]
    assert text_of(done) == "".join(delta.get("content") or "" for delta, _ in chunks)
    arguments = "".join(
        call["function"]["arguments"] for delta, _ in chunks for call in delta.get("tool_calls", ())
    )
    told = [item.get("arguments", item.get("input")) for item in done if "call_id" in item]
    assert len("".join(told)) == len(arguments)
    Response.model_validate(last["response"], strict=True)


@settings(deadline=None, max_examples=100)
@given(st.lists(deltas, max_size=4))
def test_a_stream_that_breaks_ends_with_its_failure(chunks):
    """
    Wherever it breaks: `response.failed`, and the event at which clients raise.
    """
    events = streamed(map(chunk, chunks), {"message": "gone", "type": "server_error", "code": 502})

    check_sequence(events[:-2])
    failed, error = events[-2:]
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "gone"}
    assert (error["type"], error["message"], error["error"]["message"]) == ("error", "gone", "gone")


@pytest.mark.parametrize(
    ("message", "finish_reason"),
    [
        pytest.param({"content": "One two."}, "stop", id="text"),
        pytest.param({"content": None, "refusal": "No."}, "stop", id="refusal"),
        pytest.param({"content": "A", "reasoning_content": "B"}, "length", id="reasoning"),
        pytest.param(
            {
                "content": None,
                "tool_calls": [
                    {"index": 0, "id": "c", "function": {"name": "shell", "arguments": "ls"}},
                    {"index": 1, "id": "d", "function": {"name": "look", "arguments": "{}"}},
                ],
            },
            "tool_calls",
            id="calls",
        ),
    ],
)
def test_a_stream_ends_with_the_whole_response(message, finish_reason):
    """
    The last event says what an answer without a stream says.
    """
    translation = ResponseTranslation.from_json(BODY)
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    more = {"usage": usage, "scope": {"model": "small", "cost_usd": None}}
    stream = translation.stream()

    data = stream.feed(chunk(message)) + stream.feed(chunk({}, finish_reason))
    data += stream.feed({"choices": [], **more}) + stream.finish()
    whole = translation.answer({"model": "small", "choices": [choice], **more})

    assert events_of(data)[-1]["response"] == whole | {
        "completed_at": events_of(data)[-1]["response"]["completed_at"]
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param({"message": "slow", "type": "rate_limit_error", "code": None}, "server_error"),
        pytest.param({"message": "slow", "code": "rate_limit_exceeded"}, "rate_limit_exceeded"),
        pytest.param({}, "server_error"),
    ],
    ids=["other", "rate limit", "nothing"],
)
def test_the_code_of_a_failure_is_one_of_the_api(error, code):
    """
    Clients retry a rate limit.
    """
    failed, told = streamed([], error)[-2:]

    assert failed["response"]["error"]["code"] == told["code"] == code
