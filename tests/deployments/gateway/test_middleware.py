"""What holds for every path: methods, spellings of a path, origins of web pages."""

import gzip
import hashlib
import json
from functools import partial

import openai
import pytest

from deployments.gateway.middleware import endpoint_label
from tests.deployments.local import Site

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}
PAGE = {"origin": "https://app.example"}
PREFLIGHT = PAGE | {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, x-stainless-os",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory, upstream):
    upstream.behave({})
    settings = {"base_url": upstream.base_url, "timeout_s": 5.0}
    limits = {"max_body_bytes": 10_000}
    with Site(tmp_path_factory.mktemp("site")).open(
        limits=limits, upstreams={"small": settings, "large": settings}
    ) as client:
        yield client


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/models", "/v1/models/small"])
def test_head_is_answered_as_get_without_its_body(client, path):
    """
    Probes of load balancers send HEAD.
    """
    whole, head = client.get(path), client.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("GET", "/v1/chat/completions", "POST", id="chat"),
        pytest.param("HEAD", "/v1/route", "POST", id="HEAD of what has no GET"),
        pytest.param("DELETE", "/v1/feedback", "POST", id="feedback"),
        pytest.param("POST", "/v1/models", "GET, HEAD", id="models"),
        pytest.param("PUT", "/v1/models/small", "GET, HEAD", id="a model"),
        pytest.param("POST", "/health", "GET, HEAD", id="health"),
        pytest.param("OPTIONS", "/v1/route", "POST", id="preflight without origins"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client, method, path, allowed):
    """
    In the header that HTTP asks for, and in the sentence.
    """
    got = client.request(method, path)

    assert (got.status_code, got.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert path in got.json()["error"]["message"]
        assert method in got.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("/v2/nothing", "'/v2/nothing'; expected one of /v1/chat/completions", id="v2"),
        pytest.param(
            "/v1/chat/completion", "did you mean /v1/chat/completions?", id="a letter too few"
        ),
        pytest.param("/v1/v1/models", "did you mean /v1/models?", id="prefix twice"),
        pytest.param("/" + "x" * 1_000, "text of 1001 characters", id="long"),
    ],
)
def test_an_unknown_path_is_named(client, path, message):
    """
    A wrong base URL is the most frequent mistake of new users.
    """
    got = client.post(path, json=CHAT)

    assert got.status_code == 404
    assert got.json()["error"]["message"].startswith("no such path: ")
    assert message in got.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions?api-version=2024-10-21",
        "/openai/v1/chat/completions",
        "/openai/deployments/auto/chat/completions?api-version=2024-10-21",
        "/openai/deployments/auto/chat/completions/",
    ],
)
def test_a_path_of_a_client_with_another_base_url_is_answered(client, path):
    """
    Without the prefix, with a slash at the end, with the query of Azure's clients; no redirect.
    """
    got = client.post(path, json=CHAT, follow_redirects=False)

    assert got.status_code == 200
    assert got.json()["choices"]


@pytest.mark.parametrize("body", [CHAT, {"messages": CHAT["messages"]}])
@pytest.mark.parametrize("name", ["small", "scope/auto", "auto"])
def test_the_deployment_in_the_path_is_the_model(client, body, name):
    """
    Whatever the body says, as with Azure; a name may hold a slash.
    """
    got = client.post(f"/openai/deployments/{name}/chat/completions", json=body)

    assert got.status_code == 200
    assert (got.headers["x-scope-policy"] == "client") == (name == "small")


def test_a_deployment_that_is_no_model_is_a_404(client):
    """
    With OpenAI's code.
    """
    got = client.post("/openai/deployments/gpt-9/chat/completions", json=CHAT)

    assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("settings", [{}, {"azure_deployment": "auto"}])
def test_the_client_of_azure_is_answered(client, settings):
    """
    OpenAI's own one, whole and as a stream.
    """
    azure = openai.AzureOpenAI(
        azure_endpoint="http://testserver",
        api_key="of-mine",
        api_version="2024-10-21",
        http_client=client,
        max_retries=0,
        **settings,
    )
    call = partial(azure.chat.completions.create, model="small", messages=CHAT["messages"])

    answer, (first, *_) = call(), call(stream=True)

    assert answer.choices[0].message.content == "The answer is (A)."
    assert first.choices[0].delta.content == "The "


@pytest.mark.parametrize("path", ["/models", "/models/small", "/models/"])
def test_models_are_listed_without_the_prefix(client, path):
    """
    As with it, and with that of Azure.
    """
    listed = client.get(f"/v1{path}").json()

    assert client.get(path).json() == listed
    assert client.get(f"/openai{path}?api-version=2024-10-21").json() == listed


@pytest.mark.parametrize("name", ["auto", "small", "small@3", "scope/auto"])
def test_a_model_is_described_by_its_name(client, name):
    """
    A name may hold a slash; the entry is that of the list.
    """
    got = client.get(f"/v1/models/{name}").json()
    listed = {entry["id"]: entry for entry in client.get("/v1/models").json()["data"]}

    assert (got["id"], got["object"]) == (name, "model")
    assert got == listed.get(name, got)


@pytest.mark.parametrize("name", ["gpt-9", "openai/gpt-9", "small@99"])
def test_an_unknown_model_is_a_404_that_names_the_pool(client, name):
    """
    With OpenAI's code.
    """
    got = client.get(f"/v1/models/{name}")

    assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")
    assert f"'{name}' is not in the pool; expected auto or one of small, large" in got.text


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/route"])
def test_a_compressed_body_is_read(client, path):
    """
    Long conversations compress to a fifth.
    """
    body = gzip.compress(json.dumps(CHAT).encode())

    assert client.post(path, content=body, headers={"content-encoding": "gzip"}).status_code == 200


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        pytest.param("gzip", gzip.compress(bytes(10**6)), 413, id="unpacks to a megabyte"),
        pytest.param("gzip", b"{}", 400, id="not compressed"),
        pytest.param("br", b"{}", 415, id="unknown"),
    ],
)
def test_a_compressed_body_that_cannot_be_read_gets_a_sentence(client, encoding, body, status):
    """
    And the encodings that are read, where it has another.
    """
    headers = {"content-encoding": encoding}
    got = client.post("/v1/chat/completions", content=body, headers=headers)

    assert (got.status_code, got.json()["error"]["type"]) == (status, "invalid_request_error")
    assert got.headers.get("accept-encoding") == ("gzip, deflate" if status == 415 else None)


def test_a_stream_tells_proxies_not_to_hold_it_back(client):
    """
    nginx would collect it, and a proxy that compresses would collect it, too.
    """
    got = client.post("/v1/chat/completions", json=CHAT | {"stream": True})

    assert got.headers["x-accel-buffering"] == "no"
    assert got.headers["cache-control"] == "no-cache, no-transform"


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_the_key_of_the_client_is_not_sent_on(local, upstream, header):
    """
    In any of the headers that may hold it.
    """
    settings = {"small": {"base_url": upstream.base_url}}
    key = "sk-of-a-client"
    digest = hashlib.sha256(key.encode()).hexdigest()
    chat = CHAT | {"messages": [{"role": "user", "content": f"a sum by {header}"}]}
    value = f"Bearer {key}" if header == "authorization" else key
    with local.open(
        access={"keys": [{"name": "ann", "sha256": digest}]}, upstreams=settings
    ) as client:
        assert client.post("/v1/chat/completions", json=chat).status_code == 401
        got = client.post("/v1/chat/completions", json=chat, headers={header: value})

    assert got.status_code == 200
    [call] = [call for call in upstream.log() if call["prompt"].endswith(f"by {header}")]
    assert key not in json.dumps(call["headers"])


def access(*origins, digest=None):
    """Return settings that let pages of these origins call."""
    callers = {"keys": [{"name": "ann", "sha256": digest}]} if digest else {"anonymous": True}
    return {"access": callers | {"origins": list(origins)}}


@pytest.mark.parametrize("origins", [("https://app.example",), ("*",)])
def test_a_page_of_an_allowed_origin_may_call(local, origins):
    """
    The preflight request has no key, and is answered all the same; errors can be read, too.
    """
    with local.open(**access(*origins, digest=64 * "0")) as client:
        preflight = client.options("/v1/route", headers=PREFLIGHT)
        refused = client.post("/v1/route", json={"prompt": "2+2?"}, headers=PAGE)

    assert preflight.status_code == 200
    assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert refused.status_code == 401
    for got in (preflight, refused):
        assert got.headers["access-control-allow-origin"] in ("https://app.example", "*")
    assert "x-scope-model" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origins", [(), ("https://other.example",)])
def test_a_page_of_another_origin_may_not(local, origins):
    """
    By default no page may: a browser does not show it the response.
    """
    with local.open(**access(*origins)) as client:
        preflight = client.options("/v1/route", headers=PREFLIGHT)
        got = client.post("/v1/route", json={"prompt": "2+2?"}, headers=PAGE)

    assert preflight.status_code >= 400
    assert "access-control-allow-origin" not in got.headers


def test_origins_change_while_it_runs(local):
    """
    As all of `user_config` does.
    """
    with local.open(**access()) as client:
        before = client.get("/health", headers=PAGE)
        local.configure(**access("https://app.example"))
        after = client.get("/health", headers=PAGE)

    assert "access-control-allow-origin" not in before.headers
    assert after.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/v1/chat/completions", "chat"),
        ("/chat/completions", "chat"),
        ("/deployments/openai/gpt-9/chat/completions", "chat"),
        ("/v1/models/openai/gpt-9", "models"),
        ("/models/small", "models"),
        ("/health", "health"),
        ("/v1/health", "other"),
        ("/v1", "other"),
    ],
)
def test_a_path_has_one_label_in_metrics(path, label):
    """
    However it is written, and without the name of the model, of which there is no end.
    """
    assert endpoint_label(path) == label
