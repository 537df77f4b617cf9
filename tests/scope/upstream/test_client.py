"""The client, against a real upstream that misbehaves on request."""

import asyncio
import pickle
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from scope.errors import ConfigError
from scope.prices import TokenUsage
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
def call(upstream, request):
    """Call one model with this behaviour; returns (result or error, its log)."""

    def run(behaviour, *, model=request.node.name, prompts=("2+2?",), attempts=5, **settings):
        upstream.behave({model: behaviour})
        settings = {"timeout_s": 5.0, "retries": retries(attempts)} | settings
        endpoint = EndpointConfig(upstream.base_url, KEY, **settings)
        results = asyncio.run(call_all(endpoint, model, prompts))
        log = [entry for entry in upstream.log() if entry["model"] == model]
        return (results[0] if len(results) == 1 else results), log

    return run


def retries(attempts):
    return RetryPolicy(attempts=attempts, initial_backoff_s=0.01)


async def call_all(endpoint, model, prompts):
    async with ChatClient(endpoint) as client:
        calls = (client.complete(model, prompt, max_tokens=64, temperature=0) for prompt in prompts)
        return await asyncio.gather(*calls, return_exceptions=True)


def test_a_result_has_text_and_token_counts(call):
    """
    As the upstream reports them.
    """
    result, log = call({"answer": "B", "prompt_tokens": 7, "completion_tokens": 3})

    assert result == CompletionResult("B", TokenUsage(7, 3))
    assert (log[0]["max_tokens"], log[0]["temperature"]) == (64, 0)


def test_missing_usage_is_unknown(call):
    """
    Not zero: a call without token counts is not free.
    """
    result, _ = call({"way": "no_usage"})

    assert result.usage == TokenUsage(None, None)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529])
def test_a_transient_failure_is_retried(call, status):
    """
    Two failures, then an answer: three requests, and no failure may have been billed.
    """
    result, log = call({"way": "status", "status": status, "times": 2})

    assert (result.attempts, result.possibly_billed_attempts, len(log)) == (3, 0, 3)


@pytest.mark.parametrize("way", ["cut", "garbage", "silent"])
def test_a_lost_answer_is_retried_and_counted(call, way):
    """
    As an attempt that may have been billed.
    """
    result, log = call({"way": way, "times": 1}, timeout_s=0.3)

    assert (result.attempts, result.possibly_billed_attempts, len(log)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param({"way": "status", "status": 503}, "http 503", id="status"),
        pytest.param({"way": "cut"}, "cut connection", id="cut"),
        pytest.param({"way": "garbage"}, "garbage", id="garbage"),
        pytest.param({"way": "silent"}, "timeout", id="never answered"),
    ],
)
def test_a_permanent_failure_is_raised_after_the_last_attempt(call, behaviour, kind):
    """
    With its kind and the number of attempts.
    """
    error, log = call(behaviour, attempts=2, timeout_s=0.2)

    assert isinstance(error, UpstreamError)
    assert (error.kind, error.attempts, len(log)) == (kind, 2, 2)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
def test_a_wrong_request_is_not_retried(call, status):
    """
    One request; the error has the upstream's message.
    """
    error, log = call({"way": "status", "status": status, "message": "no such thing"})

    assert (error.kind, error.message, len(log)) == (f"http {status}", "no such thing", 1)


def test_a_refused_connection_has_its_own_kind():
    """
    A request that did not arrive cannot have been billed.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    endpoint = EndpointConfig(f"http://127.0.0.1:{port}/v1", KEY, retries=retries(2))

    (error,) = asyncio.run(call_all(endpoint, "m", ["2+2?"]))

    assert (error.kind, error.attempts, error.possibly_billed_attempts) == ("no connection", 2, 0)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(call, form):
    """
    The second request waits at least so long, for both forms of the header.
    """
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    behaviour = {"way": "status", "status": 429, "times": 1}

    _, log = call({**behaviour, "retry_after": "0.4" if form == "seconds" else date})

    assert log[1]["at"] - log[0]["at"] >= 0.4


def test_a_retry_after_beyond_the_maximum_ends_the_retries(call):
    """
    A day is not waited for.
    """
    error, log = call({"way": "status", "status": 429, "retry_after": "86400"})

    assert (error.kind, len(log)) == ("http 429", 1)


@pytest.mark.parametrize("header", ["soon", "nan", "inf", ""])
def test_an_invalid_retry_after_is_ignored(header):
    """
    The usual back-off applies.
    """
    assert retry_after_s(header, datetime.now(UTC)) is None


def test_concurrency_is_a_limit_and_is_used(call):
    """
    The maximum number of requests in flight is the limit.
    """
    _, log = call({"delay_s": 0.05}, prompts=[f"{n}?" for n in range(12)], concurrency=4)

    assert max(entry["in_flight"] for entry in log) == 4


def test_the_rate_is_shared_by_all_calls(call):
    """
    Twenty a second, evenly: eleven requests take half a second.
    """
    _, log = call({}, prompts=[f"{n}?" for n in range(11)], rate=20)

    assert log[-1]["at"] - log[0]["at"] >= 0.45


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param({"way": "status", "status": 401}, id="in an error"),
        pytest.param({"answer": "{authorization}"}, id="in an answer"),
    ],
)
def test_a_key_in_a_response_is_redacted(call, behaviour):
    """
    Both in answers and in errors.
    """
    result, _ = call({**behaviour, "message": "bad key {authorization}"})

    assert "***" in str(result)
    assert KEY not in repr(result) + str(result) + repr(
        vars(result) if behaviour.get("way") else ""
    )


def test_an_endpoint_does_not_show_its_key():
    """
    In its repr, and so in no traceback of locals.
    """
    assert KEY not in repr(EndpointConfig("https://example.org/v1", KEY))


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        pytest.param("ftp://x", KEY, "expected http", id="not http"),
        pytest.param("https://me:pw@x/v1", KEY, "more than an address", id="password in the URL"),
        pytest.param("https://x/v1", " ", "key is empty", id="no key"),
        pytest.param("https://x/v1", "a\nb", "not allowed in a header", id="line break in the key"),
    ],
)
def test_a_wrong_endpoint_is_refused(url, key, message):
    """
    Before anything is sent.
    """
    with pytest.raises(ConfigError, match=message):
        EndpointConfig(url, key)


def test_an_upstream_error_survives_pickling():
    """
    It may be sent to another process.
    """
    error = UpstreamError("http 400", "bad", 400)

    assert str(pickle.loads(pickle.dumps(error))) == "http 400: bad"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(call, upstream, status):
    """
    The key is for one server; the message names the address to configure.
    """
    with running() as other:
        location = f"{other.root}/v2/chat/completions?key=secret"
        behaviour = {"way": "script", "script": ["moved"], "script_status": status}
        error, log = call(behaviour | {"script_headers": {"location": location}})

        assert (error.kind, len(log), other.log()) == (f"http {status}", 1, [])
    assert error.message.startswith(f"redirects to {other.root}/v2, which is not followed")
