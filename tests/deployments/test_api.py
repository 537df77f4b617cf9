import pytest
from fastapi.testclient import TestClient

from deployments.api import make_api
from scope.errors import ConfigError
from scope.questions import MAX_PROMPT_CHARS


async def decide(prompt, wish):
    """Answer with what was asked."""
    if "impossible" in wish.denied_models:
        raise ConfigError("allow and deny lists leave no model to choose from")
    return {"prompt": prompt, "aim": wish.aim(), "allowed": list(wish.allowed_models)}


@pytest.fixture(scope="module")
def client():
    return TestClient(make_api(decide))


def test_a_request_reaches_the_decision_whole(client):
    """
    Prompt, aim and lists.
    """
    body = {"prompt": "2+2?", "scope": {"alpha": 0.3, "allowed_models": ["a"]}}

    got = client.post("/v1/route", json=body)

    assert got.status_code == 200
    assert got.json() == {"prompt": "2+2?", "aim": {"alpha": 0.3}, "allowed": ["a"]}


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        pytest.param({}, "prompt", "Field required", id="no prompt"),
        pytest.param({"prompt": ""}, "prompt", "at least 1 character", id="empty"),
        pytest.param({"prompt": 7}, "prompt", "valid string", id="no text"),
        pytest.param({"prompt": "x" * (MAX_PROMPT_CHARS + 1)}, "prompt", "at most", id="too long"),
        pytest.param(
            {"prompt": "x", "scope": {"alpha": 2}}, "scope.alpha", "less than", id="alpha"
        ),
        pytest.param({"prompt": "x", "scope": {"alhpa": 1}}, "scope.alhpa", "not perm", id="typo"),
        pytest.param(
            {"prompt": "x", "scope": {"alpha": 1, "min_quality": 1}},
            "scope",
            "alpha and min_quality exclude each other",
            id="two aims",
        ),
    ],
)
def test_a_wrong_body_gets_one_sentence(client, body, param, message):
    """
    400, in the shape of OpenAI's errors, naming the field.
    """
    got = client.post("/v1/route", json=body)

    error = got.json()["error"]
    assert got.status_code == 400
    assert error["param"] == param
    assert message in error["message"]
    assert error["type"] == "invalid_request_error"


def test_what_the_algorithm_refuses_is_a_400_in_its_words(client):
    """
    Not a 500, and no traceback.
    """
    got = client.post("/v1/route", json={"prompt": "x", "scope": {"denied_models": ["impossible"]}})

    assert got.status_code == 400
    assert got.json()["error"]["message"] == "allow and deny lists leave no model to choose from"


def test_an_unknown_path_has_the_same_shape(client):
    """
    Clients parse one kind of error.
    """
    got = client.get("/v2/nothing")

    assert got.status_code == 404
    assert got.json()["error"]["message"] == "Not Found"


def test_health_answers(client):
    """
    The process lives.
    """
    assert client.get("/health").json() == {"status": "ok"}
