"""Faults that real clients and operators have shown, on a real Serve over HTTP.

A test is named by the number of its fault. Those of upstreams are in `test_endpoint_faults.py`.
"""

import gzip
import json
from pathlib import Path

import pytest
import ray

from tests.deployments.endpoint import QUESTION, Endpoint, answer, pool_settings

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[2]
KEY = "sk-or-v1-" + "0a" * 20
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": QUESTION}


@pytest.fixture(scope="module")
def endpoint(served, upstream):
    """The pool, all of whose models answer."""
    upstream.behave({})
    endpoint = Endpoint(served, upstream)
    endpoint.deploy()
    return endpoint


def post(endpoint, path="/v1/chat/completions", *, headers=None, **fields):
    """Send a chat to a path."""
    body = {"model": "auto", "messages": [USER]} | fields
    return endpoint.http.post(path, json=body, headers=headers)


def user(*parts):
    """A message of parts."""
    return {"role": "user", "content": list(parts)}


SYSTEM = {"role": "system", "content": "You are a tired clerk."}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([SYSTEM], id="system only"),
        pytest.param([{"role": "developer", "content": "Be brief."}], id="developer only"),
        pytest.param([{"role": "assistant", "content": "Once upon"}], id="assistant only"),
        pytest.param([user(IMAGE)], id="image only"),
        pytest.param([user(AUDIO)], id="audio only"),
        pytest.param([user(FILE)], id="file only"),
        pytest.param(
            [
                SYSTEM,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "1", "content": "42"},
            ],
            id="a tool loop without a user",
        ),
    ],
)
def test_fault_04_a_chat_without_user_text_is_answered(endpoint, messages):
    """
    And the response says that the decision rests on less.
    """
    response = post(endpoint, messages=messages)

    assert answer(response)
    assert response.headers["x-scope-degraded"] == "no user text"


@pytest.mark.parametrize("deadline_ms", [60_001, 600_000])
def test_fault_07_an_answer_may_take_as_long_as_clients_wait(endpoint, deadline_ms):
    """
    Ten minutes.
    """
    assert answer(post(endpoint, scope={"deadline_ms": deadline_ms}))


@pytest.fixture
def replaced(endpoint):
    """Change the settings of one model's upstream; returns what /ready says of them."""
    models = pool_settings(endpoint.upstream)

    def deploy(**upstream):
        one = {**models["upstreams"][models["pool"][0]], **upstream}
        changed = models | {"upstreams": {models["pool"][0]: one}}
        endpoint.put(changed)
        return endpoint.http.get("/ready").json()["settings"]

    yield deploy
    endpoint.deploy()


def test_fault_16_an_address_that_ends_in_an_endpoint_is_refused(endpoint, replaced):
    """
    Every call would be a 404.
    """
    assert replaced(base_url=f"{endpoint.upstream.base_url}/chat/completions") == "rejected"


def test_fault_16_a_key_in_place_of_its_variable_is_in_no_log(replaced):
    """
    The settings are rejected, and the sentence about them does not hold the key.
    """
    session = Path(ray._private.worker._global_node.get_session_dir_path())

    assert replaced(key_variable=KEY) == "rejected"
    logs = "".join(path.read_text() for path in (session / "logs" / "serve").glob("*Router*.log"))
    assert "variable" in logs
    assert KEY not in logs


def test_fault_18_the_documentation_deploys_with_the_token_of_ray():
    """
    Without it a second command beside a running endpoint is refused by Ray.
    """
    text = (ROOT / "docs" / "online.md").read_text(encoding="utf-8")

    assert "RAY_AUTH_MODE=token serve deploy serve_config.yaml" in text


def test_fault_19_a_probe_may_send_head(endpoint):
    """
    Load balancers do.
    """
    assert endpoint.http.head("/health").status_code == 200


def test_fault_19_a_wrong_method_is_told_the_right_one(endpoint):
    """
    In the header that HTTP asks for.
    """
    response = endpoint.http.get("/v1/chat/completions")

    assert (response.status_code, response.headers.get("allow")) == (405, "POST")


def test_fault_19_an_unknown_path_is_named(endpoint):
    """
    A wrong base URL is the most frequent mistake of new users.
    """
    response = post(endpoint, "/v1/chat/completion")

    assert response.status_code == 404
    assert "/v1/chat/completion'" in response.json()["error"]["message"]


def test_fault_19_a_slash_at_the_end_is_no_redirect(endpoint):
    """
    Clients that follow none would fail.
    """
    assert answer(post(endpoint, "/v1/chat/completions/"))


def test_fault_19_a_compressed_body_is_read(endpoint):
    """
    Long conversations compress to a fifth.
    """
    body = gzip.compress(json.dumps({"model": "auto", "messages": [USER]}).encode())

    response = endpoint.http.post(
        "/v1/chat/completions", content=body, headers={"content-encoding": "gzip"}
    )

    assert answer(response)


def test_fault_19_the_message_that_is_no_unicode_is_named(endpoint):
    """
    The second of three, by half a surrogate pair.
    """
    messages = [USER, {"role": "assistant", "content": "half \ud83d"}, USER]
    body = json.dumps({"model": "auto", "messages": messages}).encode()

    response = endpoint.http.post("/v1/chat/completions", content=body)

    assert response.status_code == 400
    assert "messages[1].content" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"messages": []}, "messages: expected at least 1 entry", id="no messages"),
        pytest.param({"messages": {}}, "messages: expected a list", id="no list"),
        pytest.param({"messages": ["x"]}, "messages[0]: expected an object", id="no object"),
        pytest.param({"model": 7}, "model: expected text", id="no text"),
    ],
)
def test_fault_19_a_mistake_is_told_in_terms_of_json(endpoint, wrong, words):
    """
    A client knows no tuples, dictionaries and models.
    """
    response = post(endpoint, **wrong)

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(words)


def test_fault_19_private_fields_of_an_upstreams_error_stay_here(endpoint):
    """
    A model that the client names refuses in its own words, and says whose account it is.
    """
    refusal = {"error": {"message": "no", "code": 400}, "user_id": "user_2x", "org": "ours"}
    endpoint.behave({"*": {"forbids": ["top_k"], "forbidden": refusal}})

    response = post(endpoint, model="mathstral-7B", top_k=5)

    assert response.status_code == 422
    assert response.json()["error"]["message"] == "no"
    assert "user_2x" not in response.text
    assert "ours" not in response.text


def test_fault_19_a_redirect_of_an_upstream_is_not_called_again(endpoint):
    """
    Its address is wrong: the operator has to know, and no second call would help.
    """
    endpoint.behave({"*": {"way": "status", "status": 307}})

    response = post(endpoint, model="mathstral-7B")

    assert (response.status_code, response.headers.get("location")) == (502, None)
    assert endpoint.models() == ["mathstral-7B"]
