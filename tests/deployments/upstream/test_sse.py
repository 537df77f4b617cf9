"""Server-sent events on their way through, byte by byte."""

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
    Comments, nulls and words that look like usage are none of our business.
    """
    passing = events()

    assert passing.feed(COMMENT + WORD + NULL) == COMMENT + WORD + NULL
    assert passing.usage is None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_how_the_network_cuts_them_changes_nothing(size, ends):
    """
    Any chunks, either kind of line end: the same bytes, without the usage nobody asked for.
    """
    passing, sent = events(), WHOLE.replace(b"\n", ends)
    got = b"".join(passing.feed(sent[at : at + size]) for at in range(0, len(sent), size))

    assert got == WHOLE.replace(USAGE, b"").replace(b"\n", ends)
    assert (passing.usage, passing.done, passing.finish()) == ({"prompt_tokens": 1}, True, b"")


def test_a_whole_event_does_not_wait_for_the_next():
    """
    Half an event does: no client can read it.
    """
    passing = events()

    assert passing.feed(WORD + STOP[:10]) == WORD
    assert passing.feed(STOP[10:]) == STOP


def test_usage_that_was_asked_for_comes_with_its_cost():
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


def test_a_chunk_that_says_more_than_usage_is_not_dropped():
    """
    Some upstreams put both into one.
    """
    passing = events()

    assert passing.feed(BOTH) == BOTH
    assert passing.usage == {"prompt_tokens": 1}


@pytest.mark.parametrize("sent", [b"", WORD, WORD + STOP[:-9]])
def test_an_end_before_the_end_is_a_cut(sent):
    """
    However politely the connection is closed.
    """
    passing = events()
    passing.feed(sent)

    with pytest.raises(UpstreamError, match="cut connection"):
        passing.finish()


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        pytest.param(WORD + STOP, b"", id="no DONE after the last word"),
        pytest.param(WORD + b"data: [DONE]\n", DONE, id="no empty line after DONE"),
    ],
)
def test_a_sloppy_end_is_an_end(sent, left):
    """
    The answer is whole.
    """
    passing = events()
    passing.feed(sent)

    assert passing.finish() == left
