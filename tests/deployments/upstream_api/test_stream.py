"""The chunks of a chat completion, made of the events of Anthropic's Messages API."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.upstream_api.answer import chat_completion
from deployments.upstream_api.stream import CompletionChunks
from scope.upstream import UpstreamError, read_completion
from tests.messages_api import NORMAL, event, events, message

BLOCKS = [
    {"type": "thinking", "thinking": "Let me think.", "signature": "s1"},
    {"type": "redacted_thinking", "data": "d1"},
    {"type": "text", "text": 'Say "ä\n" now: \\ \u2028 </p> 中 🙂'},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Köln"}},
    {"type": "text", "text": " and "},
    {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
]
USAGE = {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 10}


def behaviour(blocks=BLOCKS, **more):
    return {**NORMAL, "blocks": blocks, "stop_reason": "tool_use", "message_usage": USAGE, **more}


def sent(told):
    """The body of a stream."""
    return "".join(map(event, events(told))).encode()


def translated(*chunks):
    """The chunks of a chat completion, as bytes."""
    translation = CompletionChunks()
    return b"".join(map(translation.feed, chunks)) + translation.finish()


def joined(body):
    """The answer that a stream of chunks is."""
    with read_completion(body, str) as answer:
        return answer


def pieces_of(message_body):
    """An answer with its thinking joined: a stream has it in pieces."""
    (choice,) = message_body["choices"]
    details = choice["message"].pop("reasoning_details")
    text = "".join(detail.get("text", "") for detail in details)
    marks = [detail[name] for detail in details for name in ("signature", "data") if name in detail]
    return {**choice, "index": 0}, text, marks, message_body["usage"]


def test_a_stream_is_the_whole_answer():
    """
    Thinking, text, calls of tools, finish reason and usage.
    """
    streamed = joined(translated(sent(behaviour())))
    whole = chat_completion(message(behaviour()))

    assert pieces_of(streamed) == pieces_of(whole)


@given(st.lists(st.integers(0, len(sent(behaviour()))), max_size=6), st.booleans())
def test_where_the_bytes_are_split_does_not_matter(cuts, has_returns):
    """
    Neither does the end of the lines, nor a missing empty line at the end.
    """
    body = sent(behaviour())
    expected = chunks_of(translated(body))
    if has_returns:
        body = body.replace(b"\n", b"\r\n")
    ends = [0, *sorted(cuts), len(body)]
    parts = [body[start:end] for start, end in itertools.pairwise(ends)]

    assert chunks_of(translated(*parts)) == expected
    assert chunks_of(translated(body.rstrip())) == expected


def chunks_of(body):
    """The chunks of a stream, without the time in them."""
    assert body.endswith(b"data: [DONE]\n\n")
    lines = body.decode().split("\n\n")[:-2]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    return [{name: chunk[name] for name in chunk if name != "created"} for chunk in chunks]


def test_chunks_come_in_the_order_of_openai():
    """
    The role; a call with its id and name, then pieces of its arguments; the finish reason; the
    usage without choices.
    """
    told = behaviour(blocks=[BLOCKS[4], BLOCKS[6]])
    *choices, last = chunks_of(translated(sent(told)))
    deltas = [chunk["choices"][0]["delta"] for chunk in choices]
    calls = [delta["tool_calls"][0] for delta in deltas[1:-1]]

    assert deltas[0] == {"role": "assistant", "content": ""}
    assert calls[0]["function"] == {"name": "weather", "arguments": ""}
    assert [call["index"] for call in calls] == [0] * (len(calls) - 2) + [1, 1]
    assert calls[-1]["function"] == {"arguments": "{}"}
    assert choices[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 25)


def test_a_piece_of_text_goes_on_as_it_came():
    """
    Its JSON is not read, and written by another server it is understood all the same.
    """
    translation = CompletionChunks()
    start, *_ = events(behaviour())
    translation.feed(event(start).encode())
    ours = translation.feed(
        b'data: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"\xc3\xa4 \\"}"}}\n\n'
    )
    other = translation.feed(
        b'data: {"delta": {"text": "\\u00e4 \\"}", "type": "text_delta"}, "index": 0, '
        b'"type": "content_block_delta"}\n\n'
    )

    assert b'"\xc3\xa4 \\"}"' in ours
    assert json.loads(ours[6:]) == json.loads(other[6:])
    assert json.loads(ours[6:])["choices"][0]["delta"] == {"content": 'ä "}'}


def test_a_text_that_looks_like_a_piece_of_text_is_none():
    """
    The input of a tool may hold one, quoted or as it is.
    """
    piece = {"type": "content_block_delta", "index": 0}
    piece |= {"delta": {"type": "text_delta", "text": "x"}}
    start, *_ = events(behaviour())
    quoted = {"type": "input_json_delta", "partial_json": json.dumps(piece)}
    tool = {"type": "tool_use", "id": "a", "name": "f", "input": piece}
    body = translated(
        event(start).encode(),
        event({"type": "content_block_start", "index": 0, "content_block": tool}).encode(),
        event({"type": "content_block_delta", "index": 0, "delta": quoted}).encode(),
    )
    chunks = [json.loads(line[6:]) for line in body.decode().strip().split("\n\n")]
    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks[1:]]

    assert [json.loads(call["function"]["arguments"]) for call in calls] == [piece, piece]


def test_a_stream_that_breaks_off_has_no_end():
    """
    No finish reason, no usage and no ``[DONE]``.
    """
    body = sent(behaviour())
    cut = translated(body[: body.index(b"event: message_delta")])

    assert b"[DONE]" not in cut
    assert b'"usage"' not in cut
    with pytest.raises(UpstreamError, match="ended before the answer did"):
        joined(cut)


def test_only_the_last_event_may_be_missing():
    """
    The finish reason says that the answer is whole.
    """
    body = sent(behaviour())

    assert translated(body[: body.index(b"event: message_stop")]).endswith(b"[DONE]\n\n")


def test_events_that_are_new_or_empty_say_nothing():
    """
    So do pings and comments.
    """
    translation = CompletionChunks()

    assert translation.feed(b': hi\n\nevent: ping\ndata: {"type": "ping"}\n\n') == b""
    assert translation.feed(b'data: {"type": "news", "index": 1}\n\n') == b""


def test_an_error_passes_through():
    """
    Its reader knows the errors of every provider.
    """
    error = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'

    assert CompletionChunks().feed(error) == error


@pytest.mark.parametrize(
    "data", [{"type": "message_start"}, {"type": "content_block_delta", "index": 0, "delta": []}]
)
def test_events_of_another_api_are_garbage(data):
    """
    Another model is asked.
    """
    with pytest.raises(UpstreamError) as raised:
        CompletionChunks().feed(event(data).encode())

    assert raised.value.kind == "garbage"
