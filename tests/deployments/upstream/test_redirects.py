"""A redirect of an upstream is a failed attempt: the key is for one server."""

import json
import logging

import pytest

from tests.deployments.conftest import KEY, failing, outcomes
from tests.upstream import running


@pytest.fixture(scope="module")
def other():
    with running() as served:
        yield served


def redirecting(location, status=308):
    headers = {} if location is None else {"location": location}
    return failing("script", script=["moved"], script_status=status, script_headers=headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_is_not_followed(ask, other, status, stream):
    """
    Neither the prompt nor the key reaches the other server; the next model answers.
    """
    location = f"{other.root}/v1/chat/completions"

    answer, _ = ask(
        {"small": redirecting(location, status)},
        environ={"SMALL_KEY": KEY},
        settings={"key_variable": "SMALL_KEY"},
        stream=stream,
    )

    assert outcomes(answer) == [("small", f"http {status}"), ("large", "ok")]
    assert other.log() == []


def test_a_redirect_to_the_same_server_is_not_followed_either(ask, site):
    """
    The address is a mistake that costs a call of every request.
    """
    answer, _ = ask({"small": redirecting("/v2/chat/completions")}, models=["small"])

    assert (answer.status, len(site.log())) == (502, 1)


def test_the_client_is_told_a_public_address_only(ask):
    """
    Without user, query and endpoint.
    """
    public = redirecting("https://me:pw@api.example.com/v2/chat/completions?key=secret")
    private = redirecting("http://vllm-svc:8000/v1/chat/completions")

    shown, _ = ask({"small": public}, models=["small"])
    hidden, _ = ask({"small": private}, models=["small"])

    words = "redirects to {}, which is not followed; name that address if it is the right one"
    assert shown.body["error"]["message"].endswith(words.format("https://api.example.com/v2"))
    assert hidden.body["error"]["message"].endswith(words.format("***"))
    assert "secret" not in json.dumps(shown.body)


def test_the_log_names_the_address(ask, caplog):
    """
    An operator sets it; the query and the key are in no log.
    """
    location = f"http://vllm-svc:8000/{KEY}/v1/chat/completions?key={KEY}"

    with caplog.at_level(logging.WARNING, "ray.serve"):
        ask(
            {"small": redirecting(location)},
            environ={"SMALL_KEY": KEY},
            settings={"key_variable": "SMALL_KEY"},
        )

    assert "upstream small redirects to http://vllm-svc:8000/***/v1, which" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("location", [None, "ftp://x/y", "http://[::1", "http://h:99999/v1", "//"])
def test_a_redirect_to_nowhere_is_a_failed_attempt_too(ask, location):
    """
    Whatever the header says.
    """
    answer, _ = ask({"small": redirecting(location)})

    assert outcomes(answer) == [("small", "http 308"), ("large", "ok")]
