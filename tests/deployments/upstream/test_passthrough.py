"""What goes through to the upstream, and what never comes back."""

import json

import pytest

from tests.deployments.conftest import KEY, failing


def test_the_body_goes_through_untouched(ask, site):
    """
    But for the model's name; what we have never heard of goes along.
    """
    more = {"tools": [{"type": "function", "function": {"name": "f"}}], "exotic": {"a": [1, None]}}
    ask(settings={"model": "their-name"}, models=["small"], model="auto", **more)
    (call,) = site.log()

    messages = [{"role": "user", "content": site.prompt}]
    assert call["body"] == {"messages": messages, "model": "their-name", **more}


def test_only_harmless_headers_go_through(ask, site):
    """
    Idempotency key and request ids; our key in place of the client's, and no cookies.
    """
    told = {"idempotency-key": "i-1", "x-request-id": "r-1", "x-client-request-id": "c-1"}
    others = {"authorization": "Bearer of-the-client", "cookie": "a=b", "host": "elsewhere"}
    ask(environ={"KEY": KEY}, settings={"key_variable": "KEY"}, headers=told | others)
    headers = site.log()[0]["headers"]

    assert {name: headers.get(name) for name in told} == told
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "cookie" not in headers
    assert headers["host"] != "elsewhere"


@pytest.mark.parametrize("value", ["é", "a\x00b", "a\r\nevil: 1", "x" * 5000, ""])
def test_an_odd_request_id_harms_nobody(ask, value):
    """
    It goes through or stays here; it never becomes another header.
    """
    answer, _ = ask(headers={"x-request-id": value})

    assert answer.status == 200


@pytest.mark.parametrize("told", [{"status": 400}, {"status": 500}, {"status": 401}])
def test_no_error_holds_the_key(ask, told):
    """
    Even if the upstream says it.
    """
    told = failing(message="what about {authorization}?", **told)
    environ = {"KEY": KEY}
    answer, _ = ask({"*": told}, environ=environ, settings={"key_variable": "KEY"}, attempts=1)

    assert "what about Bearer ***?" in answer.body["error"]["message"]
    assert KEY not in json.dumps(answer.body)
