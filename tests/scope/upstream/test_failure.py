"""How failures look: one reading for whole answers, chunks and bodies with an HTTP status."""

import json
from datetime import UTC, datetime

import pytest

from scope.upstream.failure import (
    UpstreamError,
    http_error,
    read_completion,
    read_event,
    reported_error,
    retry_after_s,
)
from scope.upstream.failure_fields import client_error

CHOICE = {"index": 0, "delta": {"content": ""}, "finish_reason": None}
FAILURES = [
    pytest.param({"error": {"code": 502, "message": "x"}}, 502, "x", id="object"),
    pytest.param({"error": {"message": "x"}}, 502, "x", id="object without a status"),
    pytest.param({"error": "x"}, 502, "x", id="text"),
    pytest.param({"error": "x", "status": 429}, 429, "x", id="text with a status beside it"),
    pytest.param({"id": "g", "choices": [CHOICE], "error": {"message": "x"}}, 502, "x", id="last"),
    pytest.param({"choices": None, "error": {"message": "x"}}, 502, "x", id="choices null"),
    pytest.param({"choices": [], "error": {"message": "x"}}, 502, "x", id="choices empty"),
    pytest.param(
        {"choices": [CHOICE | {"error": {"code": 429, "message": "x"}}]}, 429, "x", id="in a choice"
    ),
    pytest.param({"choices": [CHOICE | {"error": "x"}]}, 502, "x", id="text in a choice"),
    pytest.param(
        {"choices": [CHOICE | {"finish_reason": "error"}]},
        502,
        "finish reason 'error'",
        id="finish reason",
    ),
    pytest.param({"code": 429, "message": "x"}, 429, "x", id="flat"),
    pytest.param({"code": "500", "msg": "x", "choices": []}, 500, "x", id="flat, number as text"),
    pytest.param({"detail": "x"}, 502, "x", id="FastAPI's"),
    pytest.param(
        {"detail": [{"loc": ["body", "n"], "msg": "x"}]}, 502, "body.n: x", id="FastAPI's list"
    ),
    pytest.param(
        {"object": "error", "message": "x", "type": "BadRequestError", "code": 400},
        400,
        "x",
        id="vLLM's",
    ),
    pytest.param(
        {"success": False, "result": None, "errors": [{"code": 1, "message": "x"}]},
        502,
        "x",
        id="a list of errors",
    ),
]
NO_FAILURES = [
    pytest.param({"choices": [CHOICE]}, id="chunk"),
    pytest.param({"choices": [CHOICE], "error": None}, id="error null"),
    pytest.param({"choices": [CHOICE], "error": {"code": None, "message": ""}}, id="error empty"),
    pytest.param({"choices": [], "usage": {"prompt_tokens": 1}}, id="usage"),
    pytest.param({"choices": [], "prompt_filter_results": [{"index": 0}]}, id="Azure's first"),
    pytest.param({"choices": [CHOICE], "message": "x", "code": 0}, id="words beside an answer"),
]


@pytest.mark.parametrize(("data", "status", "message"), FAILURES)
def test_a_failure_is_read_wherever_it_stands(data, status, message):
    """
    The same from a whole answer and from a chunk; a failure without a status is a 502.
    """
    content = json.dumps(data).encode()
    with pytest.raises(UpstreamError) as whole, read_completion(content, str):
        pass
    with pytest.raises(UpstreamError) as chunk:
        read_event(b"data: " + content + b"\n\n", str)

    for error in (whole.value, chunk.value):
        assert (error.kind, error.status, error.message) == (f"http {status}", status, message)


@pytest.mark.parametrize("data", NO_FAILURES)
def test_what_is_no_failure_is_not_read_as_one(data):
    """
    A null or empty error, and chunks without choices that only count.
    """
    assert reported_error(data, str) is None
    assert read_event(b"data: " + json.dumps(data).encode() + b"\n\n", str) == data


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param({"code": "429"}, 429, id="number as text"),
        pytest.param({"code": "rate_limit_exceeded"}, 429, id="OpenAI's code"),
        pytest.param({"code": "insufficient_quota"}, 429, id="quota"),
        pytest.param({"type": "RateLimitError"}, 429, id="vLLM's type"),
        pytest.param({"status": "RESOURCE_EXHAUSTED"}, 429, id="Google's status"),
        pytest.param({"type": "overloaded_error"}, 529, id="Anthropic's type"),
        pytest.param({"type": "invalid_request_error", "code": "odd"}, 400, id="type, odd code"),
        pytest.param({"code": "context_length_exceeded"}, 400, id="window"),
        pytest.param({"code": "SERVICE_UNAVAILABLE"}, 503, id="HTTP's name"),
        pytest.param({"status_code": 401}, 401, id="another field"),
        pytest.param({"code": 7}, 502, id="no HTTP status"),
        pytest.param({"code": "20015"}, 502, id="a number of their own"),
        pytest.param({"code": True}, 502, id="true"),
    ],
)
def test_a_status_is_a_number_or_a_word(code, status):
    """
    Of OpenAI, Anthropic, Google, vLLM and HTTP itself.
    """
    assert reported_error({"error": {"message": "x"} | code}, str).status == status


@pytest.mark.parametrize(
    ("event", "status", "message"),
    [
        pytest.param(b"event: error\ndata: no room\n\n", 502, "no room", id="text"),
        pytest.param(b'event: error\ndata: {"a": 1}\n\n', 502, '{"a": 1}', id="unknown shape"),
        pytest.param(
            b'event: error\ndata: {"type": "error", "error": {"type": "api_error", '
            b'"message": "x"}}\n\n',
            500,
            "x",
            id="Anthropic's",
        ),
    ],
)
def test_an_event_named_error_is_a_failure(event, status, message):
    """
    Whatever its data is.
    """
    with pytest.raises(UpstreamError) as raised:
        read_event(event, str)

    assert (raised.value.status, raised.value.message) == (status, message)


@pytest.mark.parametrize("event", [b": ping\n\n", b"event: message\n\n", b"data: [DONE]\n\n"])
def test_an_event_without_an_object_reports_nothing(event):
    """
    Comments and marks.
    """
    assert read_event(event, str) is None


def test_the_http_status_comes_before_that_in_the_body():
    """
    The words are the body's.
    """
    error = http_error(503, '{"code": 7, "message": "busy"}', None, str)

    assert (error.status, error.message) == (503, "busy")


def test_a_wait_in_the_body_counts_as_a_retry_after():
    """
    Unless the header says another.
    """
    body = '{"error": {"message": "slow down", "retry_after": 3}}'

    assert http_error(429, body, None, str).wait_s == 3.0
    assert http_error(429, body, "5", str).wait_s == 5.0


def test_the_key_is_redacted_from_every_shape():
    """
    From the message and from the body that is passed on.
    """
    for data in ({"error": {"message": "KEY", "code": 400}}, {"error": "KEY"}, {"detail": "KEY"}):
        error = reported_error(data, lambda text: text.replace("KEY", "***"))

        assert (error.message, "KEY" in json.dumps(error.body)) == ("***", False)


@pytest.mark.parametrize("text", ["[]", "null", "<html>", '{"error": {}}', "[" * 100_000])
def test_a_body_of_no_known_shape_is_its_own_message(text):
    """
    Cut to 300 characters.
    """
    assert http_error(500, text, None, str).message == text[:300]


def test_an_invalid_date_is_no_wait():
    """
    The usual back-off applies.
    """
    assert retry_after_s("Wed, 99 Oct 2026", datetime.now(UTC)) is None


def test_an_error_keeps_the_fields_of_openai():
    """
    With values that are no objects, and without what is private in them.
    """
    error = {
        "message": "no KEY",
        "type": None,
        "code": 400,
        "param": {"deep": 1},
        "user_id": "user_1",
        "metadata": {"raw": "x", "provider_name": "y"},
        "request_id": "req_1",
    }

    assert client_error(error, lambda text: text.replace("KEY", "***")) == {
        "message": "no ***",
        "type": None,
        "code": 400,
    }
