"""Private fields of an upstream's errors do not reach clients."""

import json

import pytest

from tests.deployments.conftest import failing

SECRETS = {
    "organisation": "org-a1B2c3D4e5",
    "project": "proj_AbC123dEf",
    "key": "sk-ab***xyz9",
    "email": "jane@corp.example.com",
    "request": "req_0a1b2c3d4e",
    "address": "http://vllm-svc:8000",
}
WORDS = "messages: too many, says " + ", ".join(SECRETS.values())
FIELDS = {
    "type": "invalid_request_error",
    "code": None,
    "param": "messages",
    "user_id": "user-of-ours",
    "request_id": "id-of-ours",
    "metadata": {"raw": "raw-of-theirs", "provider_name": "provider-of-ours"},
}
ERROR = {"message": WORDS} | FIELDS
PRIVATE = [*SECRETS.values(), "of-ours", "of-theirs"]
WORD = 'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'


def told(text):
    """The private texts that are in a text."""
    return [private for private in PRIVATE if private in text]


def test_a_refusal_is_passed_on_without_private_fields(ask):
    """
    In its words, with the fields that OpenAI's errors have.
    """
    small = failing(status=400, message=WORDS, error_fields=FIELDS)

    answer, _ = ask({"small": small}, models=["small"])

    error = answer.body["error"]
    assert answer.status == 400
    assert set(error) == {"message", "type", "code", "param"}
    assert error["message"].startswith("messages: too many, says ***, ***, ***")
    assert (error["type"], error["param"]) == ("invalid_request_error", "messages")
    assert told(json.dumps(answer.body)) == []


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@pytest.mark.parametrize("shaped", [True, False])
def test_a_failure_in_our_words_quotes_nothing_private(ask, status, shaped):
    """
    A text in place of an object, too.
    """
    small = failing(status=status, message=WORDS, error_fields=FIELDS, shaped=shaped)

    answer, _ = ask({"small": small}, models=["small"], attempts=1)

    assert "messages: too many" in answer.body["error"]["message"]
    assert told(json.dumps(answer.body)) == []


@pytest.mark.parametrize("body", [{"error": ERROR}, {"error": {"code": 400} | FIELDS}, WORDS])
def test_a_failure_with_status_200_quotes_nothing_private(ask, body):
    """
    As an error, an error without words, or a body that is no answer.
    """
    small = failing("script", script=[json.dumps(body)])

    answer, _ = ask({"small": small}, models=["small"], attempts=1)

    assert answer.status >= 400
    assert told(json.dumps(answer.body)) == []


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(f"data: {json.dumps({'error': ERROR})}\n\n", id="error"),
        pytest.param(f"event: error\ndata: {json.dumps(WORDS)}\n\n", id="named"),
    ],
)
def test_the_error_event_of_a_stream_quotes_nothing_private(ask, event):
    """
    After the beginning of an answer.
    """
    answer, got = ask({"small": failing("script", script=[WORD, 0.05, event])}, stream=True)

    assert b"small broke off: http" in got
    assert b"messages: too many" in got
    assert told(got.decode()) == []
    assert told(str(answer.error)) == []
