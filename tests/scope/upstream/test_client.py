"""The client, against a real upstream that misbehaves on request."""

import asyncio
import pickle
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from scope.errors import ConfigError
from scope.upstream.client import ChatClient
from scope.upstream.endpoint import CompletionResult, EndpointConfig
from scope.upstream.failure import UpstreamError, retry_after_s
from scope.upstream.retry import RetryPolicy
from tests.upstream import running

KEY = "sk-very-secret-0123"


@pytest.fixture(scope="module")
def upstream():
    with running() as served:
        yield served


@pytest.fixture
def ask(upstream, request):
    """Ask one model that behaves as told; returns (reply or error, its log)."""

    def run(told, *, model=request.node.name, prompts=("2+2?",), attempts=5, **settings):
        upstream.behave({model: told})
        settings = {"timeout_s": 5.0, "retries": retries(attempts)} | settings
        endpoint = EndpointConfig(upstream.base_url, KEY, **settings)
        results = asyncio.run(ask_all(endpoint, model, prompts))
        log = [call for call in upstream.log() if call["model"] == model]
        return (results[0] if len(results) == 1 else results), log

    return run


def retries(attempts):
    return RetryPolicy(attempts=attempts, initial_backoff_s=0.01)


async def ask_all(endpoint, model, prompts):
    async with ChatClient(endpoint) as client:
        calls = (client.complete(model, prompt, max_tokens=64, temperature=0) for prompt in prompts)
        return await asyncio.gather(*calls, return_exceptions=True)


def test_an_answer_comes_with_its_tokens(ask):
    """
    The text and both counts, as the upstream told them.
    """
    reply, log = ask({"answer": "B", "prompt_tokens": 7, "completion_tokens": 3})

    assert reply == CompletionResult("B", 7, 3)
    assert (log[0]["max_tokens"], log[0]["temperature"]) == (64, 0)


def test_missing_usage_is_unknown(ask):
    """
    Not zero: a call without counts was not free.
    """
    reply, _ = ask({"way": "no_usage"})

    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529])
def test_a_passing_failure_is_tried_again(ask, status):
    """
    Twice refused, then answered: three requests, none of the refused billed.
    """
    reply, log = ask({"way": "status", "status": status, "times": 2})

    assert (reply.attempts, reply.possibly_billed_attempts, len(log)) == (3, 0, 3)


@pytest.mark.parametrize("way", ["cut", "garbage", "silent"])
def test_a_lost_answer_is_tried_again_and_counted(ask, way):
    """
    Nobody knows whether the upstream bills it.
    """
    reply, log = ask({"way": way, "times": 1}, timeout_s=0.3)

    assert (reply.attempts, reply.possibly_billed_attempts, len(log)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        pytest.param({"way": "status", "status": 503}, "http 503", id="refused"),
        pytest.param({"way": "cut"}, "cut connection", id="cut"),
        pytest.param({"way": "garbage"}, "garbage", id="garbage"),
        pytest.param({"way": "silent"}, "timeout", id="never answered"),
    ],
)
def test_a_lasting_failure_ends_after_the_last_attempt(ask, told, kind):
    """
    With its kind and the number of tries.
    """
    error, log = ask(told, attempts=2, timeout_s=0.2)

    assert isinstance(error, UpstreamError)
    assert (error.kind, error.attempts, len(log)) == (kind, 2, 2)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
def test_a_wrong_request_is_not_repeated(ask, status):
    """
    One request; the upstream's own words are kept.
    """
    error, log = ask({"way": "status", "status": status, "message": "no such thing"})

    assert (error.kind, error.message, len(log)) == (f"http {status}", "no such thing", 1)


def test_nobody_listening_is_an_error_of_its_own():
    """
    A call that never arrived was not billed.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    endpoint = EndpointConfig(f"http://127.0.0.1:{port}/v1", KEY, retries=retries(2))

    (error,) = asyncio.run(ask_all(endpoint, "m", ["2+2?"]))

    assert (error.kind, error.attempts, error.possibly_billed_attempts) == ("no connection", 2, 0)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(ask, form):
    """
    The second request is sent no earlier than asked, in either form of the header.
    """
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    told = {"way": "status", "status": 429, "times": 1}

    _, log = ask({**told, "retry_after": "0.4" if form == "seconds" else date})

    assert log[1]["at"] - log[0]["at"] >= 0.4


def test_a_retry_after_beyond_patience_gives_up(ask):
    """
    A day is not waited for; the next run tries again.
    """
    error, log = ask({"way": "status", "status": 429, "retry_after": "86400"})

    assert (error.kind, len(log)) == ("http 429", 1)


@pytest.mark.parametrize("header", ["soon", "nan", "inf", ""])
def test_a_strange_retry_after_asks_nothing(header):
    """
    The usual waits apply.
    """
    assert retry_after_s(header, datetime.now(UTC)) is None


def test_concurrency_is_a_limit_and_is_used(ask):
    """
    As many in flight as allowed, never more.
    """
    _, log = ask({"delay_s": 0.05}, prompts=[f"{n}?" for n in range(12)], concurrency=4)

    assert max(call["in_flight"] for call in log) == 4


def test_the_rate_is_shared_by_all(ask):
    """
    Twenty a second, evenly: eleven requests take half a second.
    """
    _, log = ask({}, prompts=[f"{n}?" for n in range(11)], rate=20)

    assert log[-1]["at"] - log[0]["at"] >= 0.45


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"way": "status", "status": 401}, id="in an error"),
        pytest.param({"answer": "{authorization}"}, id="in an answer"),
    ],
)
def test_a_key_told_back_is_taken_out(ask, told):
    """
    An upstream that repeats the key does not get it into our files.
    """
    result, _ = ask({**told, "message": "bad key {authorization}"})

    assert "***" in str(result)
    assert KEY not in repr(result) + str(result) + repr(vars(result) if told.get("way") else "")


def test_an_endpoint_does_not_show_its_key():
    """
    Neither printed nor in a trace of locals.
    """
    assert KEY not in repr(EndpointConfig("https://example.org/v1", KEY))


@pytest.mark.parametrize(
    ("url", "key", "told"),
    [
        pytest.param("ftp://x", KEY, "expected http", id="not http"),
        pytest.param("https://me:pw@x/v1", KEY, "more than an address", id="password in the URL"),
        pytest.param("https://x/v1", " ", "key is empty", id="no key"),
        pytest.param("https://x/v1", "a\nb", "not allowed in a header", id="line break in the key"),
    ],
)
def test_a_wrong_endpoint_is_refused(url, key, told):
    """
    Before anything is sent.
    """
    with pytest.raises(ConfigError, match=told):
        EndpointConfig(url, key)


def test_a_call_error_survives_pickling():
    """
    It may cross a process.
    """
    error = UpstreamError("http 400", "bad", 400)

    assert str(pickle.loads(pickle.dumps(error))) == "http 400: bad"
