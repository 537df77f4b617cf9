"""JSON of upstreams that no parser is made for: a failed attempt, and never more than that."""

import json

import pytest

from deployments.upstream.responses import UpstreamStream
from deployments.upstream.samples import DrawnSamples
from tests.deployments.conftest import outcomes

DEEP = {
    "no client could parse it": "[" * 300 + "]" * 300,
    "deeper than a dump": "[" * 950 + "]" * 950,
    "deeper than the parser": "[" * 100_000,
    "objects": '{"a":' * 300 + "1" + "}" * 300,
}
FIRST = 'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
STOP = 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
WHOLE = (
    '{"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "a"}}],'
    ' "usage": {"prompt_tokens": 20, "completion_tokens": 10}, "x": %s}'
)
CHUNK = 'data: {"choices": [{"index": 0, "delta": {"content": "b"}}], "x": %s}\n\n'


def script(*pieces):
    return {"way": "script", "script": pieces, "content_type": "application/json"}


def strict(content):
    """Parse what a client receives; NaN and Infinity are not JSON."""

    def refuse(name):
        raise AssertionError(name)

    return json.loads(content, parse_constant=refuse)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in DEEP.items()])
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(WHOLE, id="answer"),
        pytest.param('{"error": {"message": "no", "at": %s}}', id="error"),
        pytest.param('{"error": {"message": %s}}', id="message"),
        pytest.param("%s", id="nothing else"),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
def test_a_deep_answer_is_a_failed_attempt(ask, form, text, streams):
    """
    The next model answers, whole or in a stream.
    """
    answer, _ = ask({"small": script(form % text)}, stream=streams)

    assert outcomes(answer) == [("small", "garbage"), ("large", "ok")]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in DEEP.items()])
def test_a_deep_error_with_a_status_keeps_its_status(ask, text):
    """
    Its text is cut.
    """
    error_fields = {"at": json.loads(text)} if len(text) < 5_000 else {"at": text}
    small = {"way": "status", "status": 503, "error_fields": error_fields}

    answer, _ = ask({"small": small}, models=["small"], attempts=1)

    assert (answer.status, outcomes(answer)) == (503, [("small", "http 503")])


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in DEEP.items()])
def test_a_deep_event_before_the_answer_is_a_failed_attempt(ask, text):
    """
    Another model can still give it.
    """
    answer, _ = ask({"small": script(CHUNK % text, STOP)}, stream=True)

    assert outcomes(answer) == [("small", "garbage"), ("large", "ok")]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in DEEP.items()])
@pytest.mark.parametrize("last", [False, True])
def test_a_deep_event_in_an_answer_ends_it_with_an_error(ask, text, last):
    """
    The client receives what came before, and an error that it can read.
    """
    end = (CHUNK % text).rstrip() if last else CHUNK % text + STOP

    answer, got = ask({"small": script(FIRST, 0.05, end)}, stream=True)

    assert isinstance(answer, UpstreamStream)
    assert answer.error.kind == "garbage"
    first, error = (strict(event[5:]) for event in got.decode().split("\n\n")[:-1])
    assert first["choices"][0]["delta"] == {"content": "a"}
    assert error["error"]["message"].startswith("small broke off: ")


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" * 400])
def test_an_absurd_number_is_unknown_or_passed_on(ask, number):
    """
    The answer counts: it was paid for, and is JSON for every client.
    """
    answer, _ = ask({"small": script(WHOLE % number)})

    assert outcomes(answer) == [("small", "ok")]
    assert strict(answer.content)["x"] == (int(number) if number.isdecimal() else None)


def test_a_number_of_thousands_of_digits_is_a_failed_attempt(ask):
    """
    Python does not read it.
    """
    answer, _ = ask({"small": script(WHOLE % ("1" * 5_000))})

    assert outcomes(answer) == [("small", "garbage"), ("large", "ok")]


def test_a_charset_that_is_no_text_does_not_hide_an_error(ask):
    """
    The name of an encoding in a header is not trusted.
    """
    small = script("no room") | {"content_type": "text/plain; charset=hex", "script_status": 503}

    answer, _ = ask({"small": small})

    assert outcomes(answer) == [("small", "http 503"), ("large", "ok")]


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e300])
def test_absurd_counts_of_samples_are_not_added(number):
    """
    A sum of such an integer and a fraction overflows.
    """
    usages = [{"prompt_tokens": number}, {"prompt_tokens": 0.5}]
    drawn = DrawnSamples({i: {"usage": usage} for i, usage in enumerate(usages)}, (), 2)

    assert drawn.usage() == {"prompt_tokens": number}
