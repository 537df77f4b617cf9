"""Answers that are nearly in OpenAI's form: lines of JSON, carriage returns, completions."""

import json

import pytest

from deployments.upstream.responses import UpstreamStream
from tests.deployments.conftest import failing, outcomes


def chunk(finish_reason=None, **choice):
    return json.dumps({"model": "m", "choices": [choice | {"finish_reason": finish_reason}]})


USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 10}})
CHAT = (
    chunk(index=0, delta={"content": "Fo"}),
    chunk(index=0, delta={"content": "ur."}),
    chunk("stop", index=0, delta={}),
    USAGE,
)
TEXTS = (chunk(index=0, text="Fo"), chunk("stop", index=0, text="ur."), USAGE)


def lines(chunks, end="\n"):
    return "".join(text + end for text in chunks)


def events(chunks, end):
    return "".join(f"data: {text}{end}{end}" for text in (*chunks, "[DONE]"))


FORMS = [
    pytest.param(lines(CHAT), id="lines"),
    pytest.param(lines(CHAT, "\r\n\r\n"), id="lines with empty ones between"),
    pytest.param(lines(CHAT).strip(), id="last line without its end"),
    pytest.param(lines((*CHAT, "[DONE]")), id="lines and the mark of the end"),
    pytest.param(events(CHAT, "\r"), id="carriage returns"),
    pytest.param(events(TEXTS, "\n"), id="texts of a completion"),
    pytest.param(events(TEXTS, "\r\n"), id="texts, both line ends"),
]


def content(got):
    """The text that a client reads from these bytes."""
    texts = [line.removeprefix("data: ") for line in got.decode().splitlines()]
    chunks = [json.loads(text) for text in texts if text not in ("", "[DONE]")]
    assert {part["model"] for part in chunks} == {"small"}
    choices = [choice for part in chunks for choice in part["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def script(body, size):
    """How a model behaves that sends a body in pieces of this size."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return failing("script", script=pieces, content_type="application/json")


@pytest.mark.parametrize("body", FORMS)
@pytest.mark.parametrize("size", [7, 10_000])
def test_a_stream_of_another_form_is_an_answer(ask, body, size):
    """
    With our name of the model, and its usage.
    """
    answer, got = ask({"small": script(body, size)}, stream=True)

    assert isinstance(answer, UpstreamStream)
    assert (content(got), answer.error) == ("Four.", None)
    assert answer.usage["completion_tokens"] == 10


@pytest.mark.parametrize("body", FORMS)
def test_a_whole_answer_of_another_form_is_one(ask, body):
    """
    Its pieces are joined.
    """
    answer, _ = ask({"small": script(body, 10_000)})

    assert outcomes(answer) == [("small", "ok")]
    message = answer.body["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Four."}
    assert answer.usage["completion_tokens"] == 10


@pytest.mark.parametrize("stream", [False, True])
def test_a_whole_completion_is_an_answer(ask, stream):
    """
    Its text is the content.
    """
    choice = {"index": 0, "text": "Four.", "finish_reason": "stop"}
    body = json.dumps({"object": "text_completion", "choices": [choice]})

    answer, got = ask({"small": script(body, 10_000)}, stream=stream)

    said = content(got) if stream else answer.body["choices"][0]["message"]["content"]
    assert said == "Four."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lines(CHAT[:2]), id="cut"),
        pytest.param(lines((*CHAT[:1], '{"error": {"message": "x"}}')), id="an error"),
        pytest.param('{"a": 1}\n{"b": 2}\n', id="other lines"),
    ],
)
def test_lines_that_are_no_answer_are_a_failed_attempt(ask, stream, body):
    """
    As events are; a stream that has begun ends with an error.
    """
    answer, got = ask({"small": script(body, 10_000)}, stream=stream)

    if stream and "delta" in body:
        assert b"small broke off" in got
    else:
        assert answer.model == "large"


def test_lines_are_passed_on_at_once(ask):
    """
    The rest comes later, and the time-out is for the beginning.
    """
    body = [lines(CHAT[:1]), 0.4, lines(CHAT[1:])]
    small = failing("script", script=body, content_type="application/x-ndjson")

    answer, got = ask({"small": small}, stream=True, deadline_s=0.3)

    assert (outcomes(answer), content(got)) == ([("small", "ok")], "Four.")
