import pytest

from deployments.gateway.http_errors import error_response, openai_error
from deployments.protocol.request_errors import (
    AuthenticationError,
    ModelNotFoundError,
    RateLimitError,
)
from tests.deployments.local import Site

LIMITS = {"max_body_bytes": 100_000}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with Site(tmp_path_factory.mktemp("site")).open(limits=LIMITS) as client:
        yield client


def test_all_of_a_request_reaches_the_decision(client):
    """
    Its prompt, its objective and its lists.
    """
    body = {"prompt": "2+2?", "scope": {"alpha": 0.3, "allowed_models": ["sm*"]}}

    got = client.post("/v1/route", json=body)

    assert got.status_code == 200
    assert got.json()["model"] == "small"
    assert got.json()["settings"]["alpha"] == 0.3
    assert [candidate["model"] for candidate in got.json()["candidates"]] == ["small"]


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        pytest.param({}, "prompt", "missing, and required", id="no prompt"),
        pytest.param({"prompt": ""}, "prompt", "at least 1 character", id="empty"),
        pytest.param({"prompt": 7}, "prompt", "expected text, got 7", id="no text"),
        pytest.param(
            {"prompt": "x", "scope": {"alpha": 2}},
            "scope.alpha",
            "expected at most 1, got 2",
            id="alpha",
        ),
        pytest.param(
            {"prompt": "x", "scope": {"alhpa": 1}},
            "scope.alhpa",
            "unknown field; expected one of alpha",
            id="typo",
        ),
        pytest.param(
            {"prompt": "x", "scope": {"alpha": 1, "min_quality": 1}},
            "scope",
            "alpha and min_quality exclude each other",
            id="two objectives",
        ),
        pytest.param({"prompt": None}, "prompt", "got null", id="null"),
        pytest.param({"prompt": " \n "}, "prompt", "only spaces", id="only spaces"),
        pytest.param(
            {"prompt": "x", "scope": {"alpha": -1}}, "scope.alpha", "got -1", id="negative alpha"
        ),
        pytest.param(
            {"prompts": []}, "prompts", "at least 1 entry, got a list of 0", id="no prompts"
        ),
        pytest.param({"prompts": ["x", 7]}, "prompts[1]", "got 7", id="a number among them"),
        pytest.param(
            {"prompts": ["x", " "]}, "prompts[1]", "only spaces", id="a blank one among them"
        ),
        pytest.param({"prompts": ["x"] * 513}, "prompts", "at most 512", id="513 prompts"),
        pytest.param(
            {"prompt": "x", "messages": []}, "messages", "exclude each other", id="two forms"
        ),
        pytest.param(
            {"messages": []}, "messages", "at least 1 entry, got a list of 0", id="no messages"
        ),
    ],
)
def test_a_wrong_body_gets_one_sentence(client, body, param, message):
    """
    The status is 400, the format OpenAI's; the field is named.
    """
    got = client.post("/v1/route", json=body)

    error = got.json()["error"]
    assert got.status_code == 400
    assert error["param"] == param
    assert message in error["message"]
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        pytest.param(b"2+2?", 400, "expected a JSON object", id="not JSON"),
        pytest.param(b'{"prompt": "\xff"}', 400, "in UTF-8", id="invalid UTF-8"),
        pytest.param(b'{"prompt": "x", "scope": {"alpha": NaN}}', 400, "column", id="NaN"),
        pytest.param(b"x" * 100_001, 413, "more than 100000 bytes", id="over the limit"),
    ],
)
def test_bytes_that_are_no_body_get_one_sentence(client, body, status, message):
    """
    The format is that of every other error.
    """
    got = client.post("/v1/route", content=body)

    assert got.status_code == status
    assert message in got.json()["error"]["message"]
    assert got.json()["error"]["type"] == "invalid_request_error"


def test_a_list_of_prompts_gets_a_list_of_decisions(client):
    """
    The order is that of the prompts; they share their options.
    """
    body = {"prompts": ["a sum", "a law", "a sum"], "scope": {"min_quality": 0.6}}

    got = client.post("/v1/route", json=body).json()["decisions"]

    assert [decision["model"] for decision in got] == ["small", "large", "small"]
    assert all(decision["settings"] == {"min_quality": 0.6} for decision in got)
    assert len({decision["id"] for decision in got}) == 3


def test_a_chat_body_is_decided_on_its_latest_human_message(client):
    """
    The body is that of a chat completion, with OpenRouter's plugin.
    """
    body = {
        "model": "auto",
        "messages": [
            {"role": "system", "content": "Mind the law."},
            {"role": "user", "content": "a sum"},
        ],
        "plugins": [{"id": "auto-router", "cost_quality_tradeoff": 10}],
    }

    got = client.post("/v1/route", json=body).json()

    assert got["settings"] == {"alpha": 0.0, "trade_off": None}
    assert got["candidates"][0]["p_correct"] > 0.5  # of law it would be less


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        pytest.param(
            AuthenticationError("no key"), 401, ("www-authenticate", "Bearer"), id="no key"
        ),
        pytest.param(RateLimitError("slow down", 30), 429, ("retry-after", "30"), id="too many"),
        pytest.param(
            ModelNotFoundError("gpt-9", "model", "model_not_found"),
            404,
            ("content-type", "application/json"),
            id="no such model",
        ),
    ],
)
def test_an_error_has_the_status_and_header_clients_act_on(error, status, header):
    """
    OpenAI's clients retry a 429 after the time in its header.
    """
    got = error_response(error, openai_error)

    assert got.status_code == status
    assert got.headers[header[0]] == header[1]


def test_the_openapi_document_has_no_references_in_bodies(client):
    """
    Tools that read OpenAPI resolve references from its root.
    """
    document = client.get("/openapi.json").json()

    body = document["paths"]["/v1/route"]["post"]["requestBody"]["content"]["application/json"]
    forms = body["schema"]["oneOf"]
    assert "$ref" not in str(forms)
    assert [form["required"] for form in forms] == [["prompt"], ["prompts"], ["messages"]]
    assert "alpha" in forms[0]["properties"]["scope"]["properties"]


def test_an_error_of_the_algorithm_is_a_400_with_its_message(client):
    """
    It is no 500, and has no traceback.
    """
    got = client.post("/v1/route", json={"prompt": "x", "scope": {"denied_models": ["*"]}})

    assert got.status_code == 400
    assert got.json()["error"]["message"] == (
        "no model is left to choose from: denied_models removed small, large"
    )


def test_an_unknown_path_has_the_same_error_format(client):
    """
    Clients parse one kind of error.
    """
    got = client.get("/v2/nothing")

    assert got.status_code == 404
    assert got.json()["error"]["message"].startswith("no such path: '/v2/nothing'; expected one")


def test_health_answers(client):
    """
    The process is alive.
    """
    assert client.get("/health").json() == {"status": "ok"}
