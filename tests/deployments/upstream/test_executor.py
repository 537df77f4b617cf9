"""Whole answers, from a real upstream with configurable failures."""

import json
import socket

import pytest

from scope.errors import ConfigError, UnknownModelError
from tests.deployments.conftest import failing, outcomes, patience_s


def test_an_answer_names_its_model_and_its_cost(ask):
    """
    The pool's name, the upstream's usage, USD at the pool's prices: 20 × 1 + 10 × 2 per million.
    """
    answer, _ = ask()

    assert (answer.status, answer.model, answer.body["model"]) == (200, "small", "small")
    assert answer.body["usage"] == {"prompt_tokens": 20, "completion_tokens": 10}
    assert answer.body["scope"] == {"model": "small", "cost_usd": pytest.approx(40e-6)}
    assert answer.body["choices"][0]["message"]["content"] == "The answer is (A)."


@pytest.mark.parametrize(
    ("behaviours", "model"),
    [
        pytest.param({"small": failing("no_usage")}, "small", id="no usage"),
        pytest.param({}, "priceless", id="no price"),
    ],
)
def test_an_unknown_cost_is_null(ask, behaviours, model):
    """
    Not zero.
    """
    answer, _ = ask(behaviours, models=[model])

    assert (answer.status, answer.cost_usd, answer.body["scope"]["cost_usd"]) == (200, None, None)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 409, 425, 429, 500, 503, 529])
def test_a_status_other_than_a_client_error_falls_back(ask, status):
    """
    To the next allowed model, at once.
    """
    answer, _ = ask({"small": failing(status=status)})

    assert answer.model == "large"
    assert outcomes(answer) == [("small", f"http {status}"), ("large", "ok")]


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        pytest.param("cut", "cut connection", id="cut"),
        pytest.param("garbage", "garbage", id="garbage"),
        pytest.param("silent", "timeout", id="never answers"),
    ],
)
def test_a_missing_answer_falls_back(ask, way, outcome):
    """
    For every kind of failure without a status.
    """
    answer, _ = ask({"small": failing(way)}, settings={"timeout_s": patience_s(way)})

    assert outcomes(answer) == [("small", outcome), ("large", "ok")]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_client_error_of_the_model_that_a_client_names_is_passed_on(ask, status):
    """
    In the upstream's words, after one call.
    """
    answer, _ = ask(
        {"small": failing(status=status, message="messages: too many")}, models=["small"]
    )

    assert (answer.status, answer.body) == (status, {"error": {"message": "messages: too many"}})
    assert outcomes(answer) == [("small", f"http {status}")]


def test_an_error_of_another_shape_gets_that_of_openai(ask):
    """
    With the upstream's text as its message.
    """
    answer, _ = ask({"small": failing(status=422, message="no", shaped=False)}, models=["small"])

    error = {"type": "invalid_request_error", "code": None, "param": None}
    assert (answer.status, answer.body) == (
        422,
        {"error": {"message": '{"message": "no"}'} | error},
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(429, [("small", "http 429"), ("large", "ok")], id="not a client error"),
        pytest.param(400, [("small", "http 400"), ("large", "ok")], id="client error"),
    ],
)
def test_an_error_with_status_200_is_an_error(ask, status, expected):
    """
    OpenRouter sends the status in the body.
    """
    answer, _ = ask({"small": failing("error", status=status)})

    assert outcomes(answer) == expected


def test_a_retry_after_before_the_deadline_is_waited_for(ask, site):
    """
    Instead of our own back-off.
    """
    behaviour = failing(status=429, retry_after="0.1", times=1)
    answer, _ = ask({"small": behaviour}, models=["small"])
    first, second = site.log()

    assert answer.status == 200
    assert second["at"] - first["at"] >= 0.1


def test_a_single_model_is_retried(ask):
    """
    After a short wait.
    """
    answer, _ = ask({"small": failing(times=2)}, models=["small"])

    assert answer.status == 200
    assert outcomes(answer) == [("small", "http 500")] * 2 + [("small", "ok")]


def test_attempts_are_limited(ask):
    """
    In total over all models and rounds.
    """
    answer, _ = ask({"*": failing()}, attempts=3)

    assert outcomes(answer) == [("small", "http 500"), ("large", "http 500"), ("small", "http 500")]
    assert (answer.status, answer.body["error"]["code"]) == (502, "upstream_failed")


def test_an_error_has_the_shape_of_openai(ask):
    """
    With all four fields.
    """
    answer, _ = ask({"*": failing()}, attempts=1)

    assert set(answer.body) == {"error"}
    assert set(answer.body["error"]) == {"message", "type", "code", "param"}


def test_a_retry_after_beyond_the_deadline_is_passed_on(ask):
    """
    The client receives 429 with the header at once.
    """
    answer, _ = ask({"*": failing(status=429, retry_after="30")}, models=["small"])

    assert (answer.status, answer.headers) == (429, {"retry-after": "30"})
    assert len(answer.attempts) == 1


def test_the_deadline_ends_the_request(ask):
    """
    With 504, before the time-out of the upstream.
    """
    answer, _ = ask({"*": failing("silent")}, deadline_s=0.1)

    assert (answer.status, answer.body["error"]["code"]) == (504, "deadline_exceeded")
    assert outcomes(answer) == [("small", "deadline")]


def test_half_a_character_can_be_sent(ask):
    """
    A truncated answer may end in one.
    """
    answer, _ = ask({"small": {"answer": "\ud83d"}})

    assert json.loads(answer.content)["choices"][0]["message"]["content"] == "\ud83d"


def test_a_refused_connection_does_not_show_the_address(ask, site):
    """
    The outcome names only the kind.
    """
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer, _ = ask(settings={"base_url": f"http://127.0.0.1:{port}/v1"}, attempts=1)

    assert outcomes(answer) == [("small", "no connection")]
    assert str(port) not in json.dumps(answer.body)


def test_models_without_upstreams_are_an_error(ask):
    """
    Before any call; among others such a model is skipped.
    """
    assert outcomes(ask(models=["huge", "small"])[0]) == [("small", "ok")]
    with pytest.raises(UnknownModelError, match="'huge'"):
        ask(models=["huge", "vast"])


def test_no_model_is_an_error(ask):
    """
    Before any call.
    """
    with pytest.raises(ConfigError, match="no model"):
        ask(models=[])
