"""Server-sent events pass through byte by byte."""

import pytest

from deployments.upstream.sse import SSEPassthrough
from scope.upstream.failure import UpstreamError, event_data

WORD = b'data: {"choices": [{"delta": {"content": "\\"usage\\": {"}, "finish_reason": null}]}\n\n'
NULL = b'data: {"choices": [{"delta": {"content": "a"}}], "usage": null}\n\n'
STOP = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n'
BOTH = b'data: {"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}\n\n'
DONE = b"data: [DONE]\n\n"
COMMENT = b": still there\n\n"
WHOLE = COMMENT + WORD + NULL + STOP + USAGE + DONE


def events(*, show_usage=False):
    return SSEPassthrough(
        show_usage=show_usage,
        describe=lambda usage: {"cost_usd": usage["prompt_tokens"]},
        redact=str,
    )


def test_events_go_through_byte_by_byte():
    """
    Comments, null usage and text that looks like usage are unchanged.
    """
    passthrough = events()

    assert passthrough.feed(COMMENT + WORD + NULL) == COMMENT + WORD + NULL
    assert passthrough.usage is None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_chunk_boundaries_change_nothing(size, ends):
    """
    For any chunks and both line ends, the same bytes, without the usage chunk.
    """
    passthrough, sent = events(), WHOLE.replace(b"\n", ends)
    got = b"".join(passthrough.feed(sent[at : at + size]) for at in range(0, len(sent), size))

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


def test_requested_usage_comes_with_its_cost():
    """
    In the field ``scope`` beside it.
    """
    shown = events(show_usage=True).feed(STOP + USAGE + DONE)

    assert shown.startswith(STOP)
    assert shown.endswith(DONE)
    assert event_data(shown.removeprefix(STOP).removesuffix(DONE)) == {
        "choices": [],
        "usage": {"prompt_tokens": 1},
        "scope": {"cost_usd": 1},
    }


def test_a_chunk_with_choices_and_usage_is_not_dropped():
    """
    Some upstreams send both in one.
    """
    passthrough = events()

    assert passthrough.feed(BOTH) == BOTH
    assert passthrough.usage == {"prompt_tokens": 1}


@pytest.mark.parametrize("sent", [b"", WORD, WORD + STOP[:-9]])
def test_a_stream_that_ends_before_the_answer_is_cut(sent):
    """
    Also if the connection is closed without an error.
    """
    passthrough = events()
    passthrough.feed(sent)

    with pytest.raises(UpstreamError, match="cut connection"):
        passthrough.finish()


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        pytest.param(WORD + STOP, b"", id="no DONE after the finish reason"),
        pytest.param(WORD + b"data: [DONE]\n", DONE, id="no empty line after DONE"),
    ],
)
def test_an_incomplete_end_is_accepted(sent, left):
    """
    The answer is complete.
    """
    passthrough = events()
    passthrough.feed(sent)

    assert passthrough.finish() == left
