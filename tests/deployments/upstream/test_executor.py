"""Whole answers, from a real upstream that misbehaves on request."""

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
    ("told", "model"),
    [
        pytest.param({"small": failing("no_usage")}, "small", id="no usage"),
        pytest.param({}, "priceless", id="no price"),
    ],
)
def test_an_unknown_cost_is_null(ask, told, model):
    """
    Not zero.
    """
    answer, _ = ask(told, models=[model])

    assert (answer.status, answer.cost_usd, answer.body["scope"]["cost_usd"]) == (200, None, None)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 409, 425, 429, 500, 503, 529])
def test_a_status_that_is_not_the_clients_falls_back(ask, status):
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
def test_what_is_no_answer_falls_back(ask, way, outcome):
    """
    Whatever the upstream does instead of answering.
    """
    answer, _ = ask({"small": failing(way)}, settings={"timeout_s": patience_s(way)})

    assert outcomes(answer) == [("small", outcome), ("large", "ok")]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_wrong_request_is_passed_on_as_it_is(ask, status):
    """
    In the upstream's words; another model would refuse it alike.
    """
    answer, _ = ask({"small": failing(status=status, message="messages: too many")})

    assert (answer.status, answer.body) == (status, {"error": {"message": "messages: too many"}})
    assert outcomes(answer) == [("small", f"http {status}")]


def test_an_error_of_another_shape_gets_ours(ask):
    """
    With all that the upstream said as its message.
    """
    answer, _ = ask({"small": failing(status=422, message="no", shaped=False)})

    error = {"type": "invalid_request_error", "code": None, "param": None}
    assert (answer.status, answer.body) == (
        422,
        {"error": {"message": '{"message": "no"}'} | error},
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(429, [("small", "http 429"), ("large", "ok")], id="not the client's"),
        pytest.param(400, [("small", "http 400")], id="the client's"),
    ],
)
def test_an_error_with_status_200_is_an_error(ask, status, expected):
    """
    OpenRouter's have their status in the body.
    """
    answer, _ = ask({"small": failing("error", status=status)})

    assert outcomes(answer) == expected


def test_a_retry_after_before_the_deadline_is_waited_for(ask, site):
    """
    As long as the upstream asked, not as long as our own wait.
    """
    told = failing(status=429, retry_after="0.1", times=1)
    answer, _ = ask({"small": told}, models=["small"])
    first, second = site.log()

    assert answer.status == 200
    assert second["at"] - first["at"] >= 0.1


def test_a_model_alone_is_asked_again(ask):
    """
    After a short wait, where no other is left.
    """
    answer, _ = ask({"small": failing(times=2)}, models=["small"])

    assert answer.status == 200
    assert outcomes(answer) == [("small", "http 500")] * 2 + [("small", "ok")]


def test_attempts_are_bounded(ask):
    """
    Over all models and rounds together.
    """
    answer, _ = ask({"*": failing()}, attempts=3)

    assert outcomes(answer) == [("small", "http 500"), ("large", "http 500"), ("small", "http 500")]
    assert (answer.status, answer.body["error"]["code"]) == (502, "upstream_failed")


def test_an_error_has_the_shape_of_openais(ask):
    """
    All four fields, whatever failed.
    """
    answer, _ = ask({"*": failing()}, attempts=1)

    assert set(answer.body) == {"error"}
    assert set(answer.body["error"]) == {"message", "type", "code", "param"}


def test_a_retry_after_beyond_the_deadline_is_the_clients_to_wait_for(ask):
    """
    A 429 of the upstream comes back as one, at once, with its header.
    """
    answer, _ = ask({"*": failing(status=429, retry_after="30")}, models=["small"])

    assert (answer.status, answer.headers) == (429, {"retry-after": "30"})
    assert len(answer.attempts) == 1


def test_the_deadline_ends_it_all(ask):
    """
    With 504, long before the upstream's own timeout.
    """
    answer, _ = ask({"*": failing("silent")}, deadline_s=0.1)

    assert (answer.status, answer.body["error"]["code"]) == (504, "deadline_exceeded")
    assert outcomes(answer) == [("small", "deadline")]


def test_half_a_character_can_be_sent(ask):
    """
    Models cut at a limit end in one.
    """
    answer, _ = ask({"small": {"answer": "\ud83d"}})

    assert json.loads(answer.content)["choices"][0]["message"]["content"] == "\ud83d"


def test_nobody_listens(ask, site):
    """
    A refused connection is named, the address is not.
    """
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer, _ = ask(settings={"base_url": f"http://127.0.0.1:{port}/v1"}, attempts=1)

    assert outcomes(answer) == [("small", "no connection")]
    assert str(port) not in json.dumps(answer.body)


def test_models_without_upstreams_are_an_error(ask):
    """
    Before any call; one among others is passed over.
    """
    assert outcomes(ask(models=["huge", "small"])[0]) == [("small", "ok")]
    with pytest.raises(UnknownModelError, match="'huge'"):
        ask(models=["huge", "vast"])


def test_no_model_is_an_error(ask):
    """
    Not an empty loop.
    """
    with pytest.raises(ConfigError, match="no model"):
        ask(models=[])
