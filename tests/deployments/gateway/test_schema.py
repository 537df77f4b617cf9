"""Requests made from the OpenAPI schema, within it and beside it: none is answered by a 5xx."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

# What schemathesis sends is no matter of ours.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content:DeprecationWarning")

ASKED = {"role": "user", "content": "Is seven a prime?"}

bounded = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def schema(local, upstream):
    """The schema that the application tells of itself; ``.ask`` sends it a case."""
    upstream.behave({})
    told = {"base_url": upstream.base_url, "timeout_s": 5.0}
    with local.open(upstreams={"small": told, "large": told}) as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
        yield schema


def answered(local, case):
    """The answer to a case, which must not blame us; a refusal is told in OpenAI's shape."""
    asked = case.as_transport_kwargs(base_url="http://testserver")
    asked.pop("cookies", None)
    response = local.client.request(**asked)
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.json()["error"]["message"]
    return response


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/route"])
def test_what_the_schema_allows_never_breaks_us(local, schema, path):
    """
    Texts of every kind, nulls, and fields that nobody has heard of. Few chats that are made up so
    name a model and hold a question: each is sent with both, too, and some of them are answered.
    """
    statuses = set()

    @bounded
    @given(case=schema[path]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def ask(case):
        statuses.add(answered(local, case).status_code)
        if "messages" in case.body:
            case.body |= {"model": "auto", "messages": [*case.body["messages"], ASKED]}
            statuses.add(answered(local, case).status_code)

    ask()
    assert 200 in statuses


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/route"])
def test_what_the_schema_forbids_is_refused(local, schema, path):
    """
    Each of the wrong types, missing fields and malformed bodies; the schema promises too little
    nowhere.
    """

    @bounded
    @given(case=schema[path]["POST"].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def ask(case):
        assert answered(local, case).status_code >= 400

    ask()


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/ready"])
def test_what_takes_no_body_is_answered(local, schema, path):
    """
    With whatever headers the schema leaves free.
    """

    @bounded
    @given(case=schema[path]["GET"].as_strategy())
    def ask(case):
        assert answered(local, case).status_code == 200

    ask()
