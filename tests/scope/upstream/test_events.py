"""Server-sent events of a chat completion: what begins an answer, what ends it, what it says."""

import json

import pytest

from scope.upstream.events import OpenChoices, begins_answer, holds_events, join_chunks
from scope.upstream.failure import UpstreamError, read_completion


def delta(index=0, finish_reason=None, **fields):
    return {"index": index, "delta": fields, "finish_reason": finish_reason}


def chunk(*choices, **fields):
    return {"id": "c", "object": "chat.completion.chunk", "choices": list(choices), **fields}


def sse(*chunks, end=b"data: [DONE]\n\n"):
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks) + end


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "a"},
        {"content": "\n"},
        {"content": [{"type": "text", "text": "a"}]},
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
        {"function_call": {"name": "f"}},
        {"reasoning_content": "a"},
        {"reasoning": "a"},
        {"reasoning_details": [{"text": "a"}]},
        {"refusal": "no"},
        {"audio": {"id": "a"}},
    ],
)
def test_a_piece_of_the_answer_begins_it(fields):
    """
    Content, a tool call, reasoning, a refusal, sound.
    """
    assert begins_answer(chunk(delta(), delta(**fields)))


@pytest.mark.parametrize(
    "data",
    [
        chunk(delta(role="assistant")),
        chunk(delta(role="assistant", content="", tool_calls=[], refusal=None)),
        chunk(delta(role="assistant", annotations=[{"type": "url"}])),
        chunk(delta(finish_reason="stop")),
        chunk(usage={"prompt_tokens": 1}),
        chunk({"index": 0, "delta": None}),
        {"choices": [None, 7]},
        {},
    ],
)
def test_what_can_be_replaced_does_not_begin_an_answer(data):
    """
    A role, an empty delta, a finish reason and counts say nothing yet.
    """
    assert not begins_answer(data)


@pytest.mark.parametrize(
    ("choices", "n", "done", "whole"),
    [
        pytest.param([delta(content="a"), delta(finish_reason="stop")], 1, False, True, id="stop"),
        pytest.param([delta(content="a")], 1, True, False, id="null to the end"),
        pytest.param([delta(content="a", finish_reason="")], 1, True, False, id="empty to the end"),
        pytest.param([], 1, True, False, id="nothing"),
        pytest.param([{"delta": {"content": "a"}}], 1, True, True, id="a field it does not know"),
        pytest.param([{"delta": {"content": "a"}}], 1, False, False, id="neither reason nor done"),
        pytest.param(
            [delta(0, "stop"), delta(1, content="b")], 2, True, False, id="one of two unfinished"
        ),
        pytest.param([delta(0, "stop")], 2, False, False, id="one of two missing"),
        pytest.param([delta(0, "stop")], 2, True, True, id="n ignored, and done"),
        pytest.param([delta(0, "stop"), delta(1, "length")], 2, False, True, id="two of two"),
        pytest.param([{"delta": {}, "finish_reason": "stop"}], 1, False, True, id="no index"),
    ],
)
def test_a_stream_is_whole_when_every_choice_has_a_finish_reason(choices, n, done, whole):
    """
    With or without ``[DONE]``, which counts alone only where no chunk has the field at all.
    """
    seen = OpenChoices(n)
    for choice in choices:
        seen.note(chunk(choice))

    assert seen.all_finished(done=done) is whole


def test_the_pieces_of_a_stream_are_joined():
    """
    Text, reasoning and arguments are concatenated; ids and names are not.
    """
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"a":'}}
    answer = join_chunks(
        [
            chunk(delta(role="assistant", content=""), model="m", usage=None),
            chunk(delta(reasoning="Let ")),
            chunk(delta(reasoning="me", content="4")),
            chunk(delta(content="2", tool_calls=[call])),
            chunk(delta(tool_calls=[more])),
            chunk(delta(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}])),
            chunk(delta(finish_reason="tool_calls")),
            chunk(usage={"prompt_tokens": 1}),
        ]
    )

    called = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "content": "42", "reasoning": "Let me", "tool_calls": [called]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    head = {"id": "c", "object": "chat.completion", "model": "m", "usage": {"prompt_tokens": 1}}
    assert answer == head | {"choices": [choice]}


def test_tool_calls_with_one_index_and_their_own_ids_are_apart():
    """
    Some upstreams give every call the index 0, and some give none.
    """
    calls = [{"id": name, "function": {"name": "f", "arguments": "{}"}} for name in "ab"]
    same = join_chunks([chunk(delta(tool_calls=[{"index": 0, **call}])) for call in calls])
    none = join_chunks([chunk(delta(tool_calls=calls))])

    for answer in (same, none):
        assert answer["choices"][0]["message"]["tool_calls"] == calls


def test_two_choices_are_joined_apart():
    """
    With the probabilities of their tokens.
    """
    tokens = [{"logprobs": {"content": [{"token": token}]}} for token in "xy"]
    answer = join_chunks(
        [
            chunk(delta(0, content="a") | tokens[0], delta(1, content="b")),
            chunk(delta(1, "length", content="d"), delta(0, "stop", content="c") | tokens[1]),
        ]
    )

    first, second = answer["choices"]
    assert (first["message"]["content"], first["finish_reason"]) == ("ac", "stop")
    assert (second["message"]["content"], second["finish_reason"]) == ("bd", "length")
    assert first["logprobs"] == {"content": [{"token": "x"}, {"token": "y"}]}


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b"", b"data: [DONE]"])
@pytest.mark.parametrize("before", [b"", b": ping\n\n", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_events_in_place_of_a_whole_answer_are_joined(before, end):
    """
    A paid answer is not thrown away for its form.
    """
    chunks = chunk(delta(content="42")), chunk(delta(finish_reason="stop"))
    with read_completion(before + sse(*chunks, end=end), str) as data:
        assert data["choices"][0]["message"] == {"role": "assistant", "content": "42"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(sse(chunk(delta(content="4"))), "cut connection", id="cut"),
        pytest.param(sse(chunk(delta(content="4")), {"error": "x"}), "http 502", id="error"),
    ],
)
def test_a_stream_that_fails_is_no_whole_answer(content, kind):
    """
    It is a failure, as it would be in a stream.
    """
    with pytest.raises(UpstreamError) as raised, read_completion(content, str):
        pass

    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"data: {}", True),
        (b"\n\n: ping", True),
        (b"event: error", True),
        (b"id:1", True),
        (b"\xef\xbb\xbfdata:", True),
        (b'{"data": 1}', False),
        (b"  [1]", False),
        (b"<html>", False),
        (b"", False),
    ],
)
def test_the_beginning_of_a_body_says_whether_it_holds_events(content, expected):
    """
    Whatever its content type is.
    """
    assert holds_events(content) is expected
