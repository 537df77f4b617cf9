"""Requests generated from the OpenAPI schema, valid and invalid: none gets a 5xx."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

# The warning is about schemathesis' own requests.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content:DeprecationWarning")

USER_MESSAGE = {"role": "user", "content": "Is seven a prime?"}

bounded = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def schema(local, upstream):
    """Return the schema that the application serves."""
    upstream.behave({})
    settings = {"base_url": upstream.base_url, "timeout_s": 5.0}
    with local.open(upstreams={"small": settings, "large": settings}) as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
        yield schema


def send(local, case):
    """Return the response to a case: no 5xx, and an error in OpenAI's format."""
    request = case.as_transport_kwargs(base_url="http://testserver")
    request.pop("cookies", None)
    response = local.client.request(**request)
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.json()["error"]["message"]
    return response


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/chat/completions", 200),
        ("/v1/messages", 200),
        ("/v1/messages/count_tokens", 200),
        ("/v1/responses", 200),
        ("/v1/route", 200),
        ("/v1/feedback", 404),
    ],
)
def test_a_body_within_the_schema_gets_no_5xx(local, schema, path, status):
    """
    Bodies have texts of every kind, nulls and unknown fields. Few generated chats name a model and
    hold a question: each is also sent with both, and some of them are answered. A generated id is
    that of no decision.
    """
    statuses = set()

    @bounded
    @given(case=schema[path]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case):
        statuses.add(send(local, case).status_code)
        if "messages" in case.body:
            case.body |= {"model": "auto", "messages": [*case.body["messages"], USER_MESSAGE]}
            statuses.add(send(local, case).status_code)
        if "input" in case.body:
            case.body |= {"model": "auto", "input": [USER_MESSAGE]}
            statuses.add(send(local, case).status_code)

    check()
    assert status in statuses


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/responses",
        "/v1/route",
        "/v1/feedback",
    ],
)
def test_a_body_outside_the_schema_is_rejected(local, schema, path):
    """
    Wrong types, missing fields and malformed bodies all get a 4xx: the schema is not too narrow.
    """

    @bounded
    @given(case=schema[path]["POST"].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def check(case):
        assert send(local, case).status_code >= 400

    check()


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/ready"])
def test_a_request_without_a_body_is_answered(local, schema, path):
    """
    The headers that the schema leaves free do not matter.
    """

    @bounded
    @given(case=schema[path]["GET"].as_strategy())
    def check(case):
        assert send(local, case).status_code == 200

    check()
