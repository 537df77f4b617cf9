"""What the client is told of a failure."""

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

REFUSED = http_error(429, '{"error": {"message": "slow down"}}', None, str)


def test_a_refusal_survives_pickling():
    """
    Replicas send errors to each other.
    """
    again = pickle.loads(pickle.dumps(REFUSED))

    assert (again.status, again.message, again.body) == (429, "slow down", REFUSED.body)


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        pytest.param(REFUSED, 429, "upstream_rate_limited", "1", id="429 without a hint"),
        pytest.param(
            not_attempted_error(FULL, 1.2), 503, "upstreams_full", "2", id="whole seconds, upward"
        ),
        pytest.param(UpstreamError(DEADLINE, ""), 504, "deadline_exceeded", None, id="out of time"),
        pytest.param(UpstreamError("timeout", ""), 504, "upstream_timeout", None, id="too slow"),
        pytest.param(UpstreamError("garbage", ""), 502, "upstream_failed", None, id="nonsense"),
    ],
)
def test_each_failure_has_its_status(error, status, code, retry_after):
    """
    And says when to come back where that helps.
    """
    told, body, headers = error_answer(error)

    assert (told, body["error"]["code"], headers.get("retry-after")) == (status, code, retry_after)


def test_the_last_event_of_a_broken_stream_is_one_whole_event():
    """
    Whose error names the model.
    """
    event = error_event(UpstreamError("cut connection", "gone"), "small")

    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    error = json.loads(event.removeprefix(b"data: "))["error"]
    assert error["message"] == "small broke off: cut connection: gone"
