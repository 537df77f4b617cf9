"""Wrong requests over HTTP: each is rejected with a sentence that names the field."""

import json

import pytest

pytestmark = pytest.mark.ray

USER_MESSAGE = {"role": "user", "content": "Is seven a prime?"}
CHAT = {"model": "auto", "messages": [USER_MESSAGE]}
ENDPOINTS = ["/v1/route", "/v1/chat/completions"]


@pytest.fixture(scope="module")
def send(served, upstream):
    """Return a function that sends raw bytes; one model has an upstream."""
    upstream.behave({})
    settings = {"base_url": upstream.base_url}
    served.deploy(Router={"user_config": {"upstreams": {"mathstral-7B": settings}}})

    def post(endpoint, body):
        headers = {"content-type": "application/json"}
        return served.http.post(endpoint, content=body, headers=headers)

    return post


def assert_rejected(response, status, field):
    """Check the format of an error: OpenAI's, with one sentence that begins with the field."""
    error = response.json()["error"]
    assert response.status_code == status, error
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(field), error
    assert len(error["message"]) < 500
    assert "Traceback" not in error["message"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"Is seven a prime?", 400, id="not JSON"),
        pytest.param(b'{"messages": [', 400, id="JSON cut off"),
        pytest.param(b"null", 400, id="null"),
        pytest.param(b'["messages"]', 400, id="a list"),
        pytest.param(b'{"model": "auto", "messages": "\xff\xfe"}', 400, id="invalid UTF-8"),
        pytest.param(b'{"messages": ' + 100_000 * b"[", 400, id="a hundred thousand brackets"),
        pytest.param(b'{"scope": {"alpha": NaN}}', 400, id="NaN"),
        pytest.param(b'{"prompt": "' + 10_000_000 * b"x" + b'"}', 413, id="10 MB"),
    ],
)
def test_a_body_that_is_no_request_is_rejected(send, endpoint, body, status):
    """
    No decision is made.
    """
    assert_rejected(send(endpoint, body), status, "body: ")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        pytest.param({"messages": []}, "messages", id="no messages"),
        pytest.param({"messages": "hello"}, "messages", id="messages as text"),
        pytest.param({"messages": None}, "messages", id="messages null"),
        pytest.param({"messages": [None]}, "messages[0]", id="a message null"),
        pytest.param({"messages": [{"content": "x"}]}, "messages[0].role", id="no role"),
        pytest.param(
            {"messages": [USER_MESSAGE | {"role": 7}]}, "messages[0].role", id="a role of 7"
        ),
        pytest.param(
            {"messages": [USER_MESSAGE | {"content": 7}]}, "messages[0].content", id="a number"
        ),
        pytest.param({"model": None}, "model", id="model null"),
        pytest.param({"model": ["auto"]}, "model", id="model a list"),
        pytest.param({"stream": "yes"}, "stream", id="stream as text"),
        pytest.param({"n": 0}, "n", id="no choices"),
        pytest.param({"n": 9}, "n", id="too many choices"),
        pytest.param({"max_tokens": 10**9}, "max_tokens", id="a billion tokens"),
        pytest.param({"scope": "cheap"}, "scope", id="scope as text"),
        pytest.param({"scope": {"alpha": -0.1}}, "scope.alpha", id="negative alpha"),
        pytest.param({"scope": {"alpha": "0.5"}}, "scope.alpha", id="alpha as text"),
        pytest.param({"scope": {"alpha": True}}, "scope.alpha", id="alpha true"),
        pytest.param({"scope": {"alhpa": 0.5}}, "scope.alhpa", id="a typo"),
        pytest.param({"scope": {"max_cost_usd": -1}}, "scope.max_cost_usd", id="negative cost"),
        pytest.param({"scope": {"deadline_ms": 0}}, "scope.deadline_ms", id="no time"),
        pytest.param({"scope": {"deadline_ms": 10**9}}, "scope.deadline_ms", id="12 days"),
        pytest.param({"scope": {"session_id": "s" * 257}}, "scope.session_id", id="long session"),
        pytest.param({"scope": {"allowed_models": "gpt*"}}, "scope.allowed_models", id="no list"),
    ],
)
def test_a_wrong_field_is_named(send, endpoint, wrong, field):
    """
    The sentence begins with the field, and `param` is the field.
    """
    response = send(endpoint, json.dumps(CHAT | wrong).encode())

    assert_rejected(response, 400, field)
    assert response.json()["error"]["param"].startswith(field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "prompt", id="nothing"),
        pytest.param({"prompt": None}, "prompt", id="null"),
        pytest.param({"prompt": ""}, "prompt", id="empty"),
        pytest.param({"prompt": " \n\t "}, "prompt", id="only spaces"),
        pytest.param({"prompt": ["x"]}, "prompt", id="a list"),
        pytest.param({"prompts": []}, "prompts", id="no prompts"),
        pytest.param({"prompts": "x"}, "prompts", id="prompts as text"),
        pytest.param({"prompts": ["x", None]}, "prompts[1]", id="one is null"),
        pytest.param({"prompts": ["x", "  "]}, "prompts[1]", id="one of only spaces"),
        pytest.param({"prompts": 513 * ["x"]}, "prompts", id="513 prompts"),
        pytest.param({"prompt": "x", "model": "auto"}, "model", id="a field of a chat"),
        pytest.param({"prompt": "x", "prompts": ["x"]}, "prompt and prompts", id="both"),
    ],
)
def test_a_wrong_prompt_is_named(send, body, field):
    """
    The same holds for the bodies that only `/v1/route` accepts.
    """
    assert_rejected(send("/v1/route", json.dumps(body).encode()), 400, field)


def test_an_unknown_model_is_named(send):
    """
    The status is OpenAI's.
    """
    response = send("/v1/chat/completions", json.dumps(CHAT | {"model": "gpt-9"}).encode())

    assert_rejected(response, 404, "model: 'gpt-9' is not in the pool")


def test_512_prompts_are_accepted(send):
    """
    Each of them gets a decision.
    """
    prompts = [f"What is {n} + {n}?" for n in range(512)]

    response = send("/v1/route", json.dumps({"prompts": prompts}).encode())

    assert response.status_code == 200
    assert len(response.json()["decisions"]) == 512
