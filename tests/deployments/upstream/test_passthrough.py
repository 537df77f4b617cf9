"""What is sent to the upstream, and what is not passed back."""

import json

import pytest

from tests.deployments.conftest import KEY, failing


def test_the_body_passes_through_unchanged(ask, site):
    """
    Except for the model's name; unknown fields pass through.
    """
    more = {"tools": [{"type": "function", "function": {"name": "f"}}], "exotic": {"a": [1, None]}}
    ask(settings={"model": "their-name"}, models=["small"], model="auto", **more)
    (call,) = site.log()

    messages = [{"role": "user", "content": site.prompt}]
    assert call["body"] == {"messages": messages, "model": "their-name", **more}


def test_only_some_headers_pass_through(ask, site):
    """
    Idempotency key and request ids; our key instead of the client's, and no cookies.
    """
    forwarded = {"idempotency-key": "i-1", "x-request-id": "r-1", "x-client-request-id": "c-1"}
    others = {"authorization": "Bearer of-the-client", "cookie": "a=b", "host": "elsewhere"}
    ask(environ={"KEY": KEY}, settings={"key_variable": "KEY"}, headers=forwarded | others)
    headers = site.log()[0]["headers"]

    assert {name: headers.get(name) for name in forwarded} == forwarded
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "cookie" not in headers
    assert headers["host"] != "elsewhere"


@pytest.mark.parametrize("value", ["é", "a\x00b", "a\r\nevil: 1", "x" * 5000, ""])
def test_an_invalid_request_id_is_harmless(ask, value):
    """
    It is passed on or left out; it never becomes another header.
    """
    answer, _ = ask(headers={"x-request-id": value})

    assert answer.status == 200


@pytest.mark.parametrize("fields", [{"status": 400}, {"status": 500}, {"status": 401}])
def test_no_error_holds_the_key(ask, fields):
    """
    If the upstream sends it.
    """
    behaviour = failing(message="what about {authorization}?", **fields)
    environ = {"KEY": KEY}
    answer, _ = ask({"*": behaviour}, environ=environ, settings={"key_variable": "KEY"}, attempts=1)

    assert "what about Bearer ***?" in answer.body["error"]["message"]
    assert KEY not in json.dumps(answer.body)
