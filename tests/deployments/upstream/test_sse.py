"""Server-sent events pass through byte by byte, with our name of the model."""

import json

import pytest

from deployments.upstream.sse import SSEPassthrough
from scope.upstream.events import event_data
from scope.upstream.failure import UpstreamError

NAMED = b'data: {"model": "ours", "choices": '
WORD = NAMED + b'[{"delta": {"content": "\\"usage\\": {"}, "finish_reason": null}]}\n\n'
NULL = NAMED + b'[{"delta": {"content": "a"}}], "usage": null}\n\n'
STOP = NAMED + b'[{"delta": {}, "finish_reason": "stop"}]}\n\n'
ROLE = NAMED + b'[{"delta": {"role": "assistant", "content": ""}}]}\n\n'
EMPTY = NAMED + b'[{"delta": {"content": "b"}, "finish_reason": ""}]}\n\n'
USAGE = NAMED + b'[], "usage": {"prompt_tokens": 1}}\n\n'
BOTH = NAMED + b'[{"finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}\n\n'
ERROR = b'data: {"error": {"message": "x"}}\n\n'
DONE = b"data: [DONE]\n\n"
COMMENT = b": still there\n\n"
WHOLE = COMMENT + ROLE + WORD + NULL + STOP + USAGE + DONE


def events(*, show_usage=False, model="ours", n_choices=1):
    return SSEPassthrough(
        model=model,
        show_usage=show_usage,
        describe=lambda usage: {"cost_usd": usage["prompt_tokens"]},
        redact=str,
        n_choices=n_choices,
    )


def fed(*sent, **settings):
    passthrough = events(**settings)
    return b"".join(map(passthrough.feed, sent)), passthrough


def test_events_go_through_byte_by_byte():
    """
    Comments, null usage and text that looks like usage are unchanged.
    """
    got, passthrough = fed(COMMENT + WORD, NULL + COMMENT)

    assert got == COMMENT + WORD + NULL + COMMENT
    assert passthrough.usage is None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_chunk_boundaries_change_nothing(size, ends):
    """
    For any chunks and both line ends, the same bytes, without the usage chunk.
    """
    sent = WHOLE.replace(b"\n", ends)
    got, passthrough = fed(*(sent[at : at + size] for at in range(0, len(sent), size)))

    assert got == WHOLE.replace(USAGE, b"").replace(b"\n", ends)
    assert (passthrough.usage, passthrough.done, passthrough.finish()) == (
        {"prompt_tokens": 1},
        True,
        b"",
    )


def test_a_whole_event_does_not_wait_for_the_next():
    """
    An incomplete event does: no client can read it.
    """
    passthrough = events()

    assert passthrough.feed(WORD + STOP[:10]) == WORD
    assert passthrough.feed(STOP[10:]) == STOP


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(COMMENT, id="comment"),
        pytest.param(b"\n\n", id="blank lines"),
        pytest.param(b"event: message\n\n", id="event without data"),
        pytest.param(b"data: please wait\n\n", id="no JSON"),
        pytest.param(ROLE, id="role"),
        pytest.param(USAGE, id="usage"),
        pytest.param(STOP, id="finish reason"),
    ],
)
def test_what_comes_before_the_answer_is_held_back(sent):
    """
    Until then another model can replace it; then all of it is passed on.
    """
    passthrough = events(show_usage=False)
    held = b"" if sent == USAGE else sent

    assert (passthrough.feed(sent), passthrough.begun) == (b"", False)
    assert (passthrough.feed(WORD), passthrough.begun) == (held + WORD, True)


@pytest.mark.parametrize("end", [DONE, b""])
def test_an_answer_without_a_word_is_an_answer(end):
    """
    A model may stop at once; what was held back goes out at the end.
    """
    got, passthrough = fed(ROLE, STOP, end)

    assert got + passthrough.finish() == ROLE + STOP + end


@pytest.mark.parametrize("before", [b"", COMMENT, ROLE, b"event: message\n\n"])
def test_a_failure_before_the_answer_leaves_nothing(before):
    """
    The next model starts from nothing.
    """
    got, passthrough = fed(before, ERROR + WORD)

    assert (got, passthrough.begun, passthrough.error.status) == (b"", False, 502)


@pytest.mark.parametrize(
    "error",
    [
        ERROR,
        b"event: error\ndata: no\n\n",
        NAMED + b'[{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}\n\n',
        NAMED + b'[{"delta": {"content": ""}}], "error": {"code": 502, "message": "x"}}\n\n',
        b'data: {"code": 500, "message": "x"}\n\n',
        b'data: {"detail": "x"}\n\n',
        b'data: {"model": "ours", "choices": [], "message": "x"}\n\n',
    ],
)
def test_a_failure_after_the_beginning_ends_the_stream(error):
    """
    The events before it are passed on, in one block or in several.
    """
    for sent in ((WORD, NULL + error + WORD), (WORD + NULL, error)):
        got, passthrough = fed(*sent)

        assert got == WORD + NULL
        assert passthrough.error is not None


def test_waiting_without_end_is_a_failure():
    """
    Comments are not collected for ever.
    """
    with pytest.raises(UpstreamError, match="megabytes"):
        fed(*[b":" + b"." * 2**20 + b"\n\n"] * 17)


def test_requested_usage_comes_with_its_cost():
    """
    In the field ``scope`` beside it.
    """
    shown, _ = fed(WORD + STOP + USAGE + DONE, show_usage=True, model='my "own"')
    usage = event_data(shown.split(b"\n\n")[-3])

    assert usage == {
        "model": 'my "own"',
        "choices": [],
        "usage": {"prompt_tokens": 1},
        "scope": {"cost_usd": 1},
    }


def test_a_chunk_with_choices_and_usage_is_not_dropped():
    """
    Some upstreams send both in one.
    """
    got, passthrough = fed(WORD, BOTH)

    assert got == WORD + BOTH
    assert passthrough.usage == {"prompt_tokens": 1}


@pytest.mark.parametrize(
    "chunk",
    [
        b'{"id": "1", "model":"theirs/v1", "choices": [{"delta": {"content": "a"}}]}',
        b'{"choices":[{"delta":{"content":"a"}}],"model" : "a\\"b\\\\"}',
        b'{"choices": [{"delta": {"content": "\\"model\\": \\"x\\""}}], "model": "theirs"}',
        b'{"choices": [{"delta": {"content": "a"}}]}',
        b'{"model": null, "choices": [{"delta": {"content": "a"}}]}',
        b'{"model": "theirs", "choices": [{"delta": {"tool_calls": [{"function": '
        b'{"arguments": {"model": "x"}}}]}}]}',
    ],
)
def test_every_chunk_names_our_model(chunk):
    """
    As a whole answer does, wherever the name stands; nothing else changes.
    """
    event = b"data: " + chunk + b"\n\n"
    got, _ = fed(event, event + event, event + STOP, model="ours\\1")
    expected = json.loads(chunk) | {"model": "ours\\1"}

    assert [event_data(one) for one in got.split(b"\n\n")[:4]] == [expected] * 4


def test_a_whole_answer_in_one_event_becomes_pieces():
    """
    Clients of streams read deltas, not messages.
    """
    message = b'[{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]'
    got, passthrough = fed(NAMED + message + b', "usage": {"prompt_tokens": 1}}\n\n', DONE)
    *pieces, end, _ = got.split(b"\n\n")

    choices = [event_data(piece)["choices"][0] for piece in pieces]
    assert [choice["delta"] for choice in choices] == [{"content": "a"}, {}]
    assert [choice["finish_reason"] for choice in choices] == [None, "stop"]
    assert (end + b"\n\n", passthrough.usage) == (DONE, {"prompt_tokens": 1})


def test_only_the_name_of_a_chunk_changes():
    """
    Spaces and the order of the fields stay.
    """
    sent = WORD.replace(b'"model": "ours"', b'"model" :\t"theirs"')
    got, _ = fed(sent, sent)

    assert got == 2 * sent.replace(b"theirs", b"ours")


@pytest.mark.parametrize(
    ("sent", "n"),
    [
        pytest.param(b"", 1, id="nothing"),
        pytest.param(DONE, 1, id="only DONE"),
        pytest.param(WORD, 1, id="no finish reason"),
        pytest.param(WORD + DONE, 1, id="no finish reason before DONE"),
        pytest.param(WORD + STOP[:-9], 1, id="in the last event"),
        pytest.param(EMPTY + EMPTY, 1, id="an empty finish reason"),
        pytest.param(WORD + STOP, 2, id="one of two choices"),
        pytest.param(
            WORD + STOP + WORD.replace(b'{"delta"', b'{"index": 1, "delta"') + DONE,
            2,
            id="one of two choices before DONE",
        ),
    ],
)
def test_a_stream_that_ends_before_the_answer_is_cut(sent, n):
    """
    Also if the connection is closed without an error.
    """
    passthrough = events(n_choices=n)
    passthrough.feed(sent)

    with pytest.raises(UpstreamError, match="cut connection"):
        passthrough.finish()
        raise passthrough.error


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        pytest.param(WORD + STOP, b"", id="no DONE after the finish reason"),
        pytest.param(WORD + STOP[:-1], STOP, id="no empty line after the last event"),
        pytest.param(WORD + STOP[:-2], STOP, id="no line end after the last event"),
        pytest.param(WORD + STOP + b"data: [DONE]\n", DONE, id="no empty line after DONE"),
        pytest.param(WORD + STOP + b"data: [DO", b"", id="half a DONE"),
        pytest.param(EMPTY + STOP, b"", id="an empty finish reason before the last"),
    ],
)
def test_an_incomplete_end_is_accepted(sent, left):
    """
    The answer is complete.
    """
    passthrough = events()
    passthrough.feed(sent)

    assert passthrough.finish() == left
    assert passthrough.error is None


def test_a_failure_in_an_event_without_its_empty_line_is_read():
    """
    The stream ends with it.
    """
    _, passthrough = fed(WORD, STOP, ERROR[:-2])

    assert passthrough.finish() == b""
    assert passthrough.error.status == 502


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
def test_lines_may_end_with_a_carriage_return_alone(size):
    """
    As the standard allows; the client gets them as it gets others.
    """
    sent = WHOLE.replace(b"\n", b"\r")
    got, passthrough = fed(*(sent[at : at + size] for at in range(0, len(sent), size)))

    assert got == WHOLE.replace(USAGE, b"")
    assert (passthrough.done, passthrough.finish()) == (True, b"")


def test_choices_of_a_completion_become_those_of_a_chat():
    """
    Their texts are content, and begin the answer.
    """
    text = NAMED + b'[{"index": 0, "text": "a", "logprobs": null, "finish_reason": null}]}\n\n'
    got, passthrough = fed(text, STOP, DONE)

    (choice,) = event_data(got.split(b"\n\n")[0])["choices"]
    assert choice == {
        "index": 0,
        "delta": {"content": "a"},
        "logprobs": None,
        "finish_reason": None,
    }
    assert passthrough.begun
