"""The response to the client after a failure."""

import json
import pickle

import pytest

from deployments.upstream.errors import (
    DEADLINE,
    FULL,
    error_answer,
    error_event,
    not_attempted_error,
)
from scope.upstream.failure import UpstreamError, http_error

RATE_LIMITED = http_error(429, '{"error": {"message": "slow down"}}', None, str)


def test_a_status_error_survives_pickling():
    """
    Replicas send errors to each other.
    """
    copy = pickle.loads(pickle.dumps(RATE_LIMITED))

    assert (copy.status, copy.message, copy.body) == (429, "slow down", RATE_LIMITED.body)


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        pytest.param(RATE_LIMITED, 429, "upstream_rate_limited", "1", id="429 without Retry-After"),
        pytest.param(
            not_attempted_error(FULL, 1.2),
            503,
            "upstreams_full",
            "2",
            id="rounded up to whole seconds",
        ),
        pytest.param(UpstreamError(DEADLINE, ""), 504, "deadline_exceeded", None, id="deadline"),
        pytest.param(UpstreamError("timeout", ""), 504, "upstream_timeout", None, id="timeout"),
        pytest.param(UpstreamError("garbage", ""), 502, "upstream_failed", None, id="garbage"),
    ],
)
def test_each_failure_has_its_status(error, status, code, retry_after):
    """
    And a ``Retry-After`` where a retry may help.
    """
    answer_status, body, headers = error_answer(error)

    assert (answer_status, body["error"]["code"], headers.get("retry-after")) == (
        status,
        code,
        retry_after,
    )


def test_the_error_event_of_a_broken_stream_is_complete():
    """
    Its error names the model.
    """
    event = error_event(UpstreamError("cut connection", "gone"), "small")

    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    error = json.loads(event.removeprefix(b"data: "))["error"]
    assert error["message"] == "small broke off: cut connection: gone"
