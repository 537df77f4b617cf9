import json
import traceback
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.protocol.request_errors import RequestError
from deployments.protocol.validation_messages import validate
from deployments.requests.eligibility import eligible_models
from deployments.requests.parsing import parse_json_object
from deployments.requests.routing_request import PromptBody, RouteBody
from deployments.settings.settings import Limits
from scope.pool import ModelSpec

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "EOF", id="nothing"),
        pytest.param(b"{'a': 1}", "line 1 column 2", id="not JSON"),
        pytest.param(b'{"a": "\xff"}', "a holds what is no Unicode", id="invalid UTF-8"),
        pytest.param(b'{"a": "\\ud800"}', "a holds what is no Unicode", id="half a surrogate pair"),
        pytest.param(b'{"a": NaN}', "column 7", id="NaN"),
        pytest.param(b'{"a": 1e999}', "not JSON compliant", id="more than a float holds"),
        pytest.param(b"[" * 100_000, "recursion", id="deep nesting"),
        pytest.param(b"[1]", "got a list", id="no object"),
        pytest.param(b"null", "got null", id="null"),
    ],
)
def test_a_body_that_is_no_json_object_is_rejected(body, message):
    """
    The message says what was expected.
    """
    with pytest.raises(RequestError, match=message) as error:
        parse_json_object(body)

    assert str(error.value).startswith("body: expected a JSON object")


@settings(max_examples=50)
@given(st.dictionaries(st.text(), JSON))
def test_every_json_object_is_parsed_exactly(data):
    """
    This includes text that looks like a number too large for a float.
    """
    assert parse_json_object(json.dumps(data | {"text": "1e999"}).encode()) == data | {
        "text": "1e999"
    }


@given(st.binary() | JSON.map(lambda data: json.dumps({"prompt": data, "scope": data}).encode()))
def test_no_body_breaks_the_parser(body):
    """
    It is parsed or rejected with a `RequestError`.
    """
    with suppress(RequestError):
        assert RouteBody.parse(body, Limits()).requests


PART = st.fixed_dictionaries(
    {},
    optional={"type": st.sampled_from(["text", "image_url", "tool_result"]) | JSON, "text": JSON},
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"])},
    optional={"content": st.text() | st.lists(PART, max_size=3), "tool_calls": JSON},
)
PLUGIN = st.fixed_dictionaries({"id": st.just("auto-router")}, optional={"allowed_models": JSON})
CHAT = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, min_size=1, max_size=4)},
    optional={
        "model": JSON,
        "n": JSON,
        "tools": st.lists(st.dictionaries(st.text(), JSON, max_size=2), max_size=2),
        "response_format": st.fixed_dictionaries({"type": st.just("json_schema") | JSON}),
        "plugins": st.lists(PLUGIN, max_size=2),
        "scope": st.fixed_dictionaries({}, optional={"denied_models": JSON, "session_id": JSON}),
    },
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(CHAT)
def test_no_chat_breaks_the_parser_or_the_filter(chat):
    """
    Nearly valid bodies reach further than noise.
    """
    pool = (ModelSpec(id="a", usd_per_mtok_in=1.0, usd_per_mtok_out=1.0),)

    with suppress(RequestError):
        (request,) = RouteBody.parse(json.dumps(chat).encode(), Limits()).requests
        assert request.text.strip() or not request.has_user_text
        assert eligible_models(pool, request.needs, request.options) == ("a",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param({"prompt": ["secret"]}, "prompt: .*, got a list of 1", id="list"),
        pytest.param({"prompt": "x", "scope": {"y" * 999: 1}}, "scope.y{40}: ", id="long key"),
        pytest.param({"prompt": "x", "scope": "secret" * 10}, "text of 60 ch", id="long text"),
    ],
)
def test_a_message_is_short_and_has_no_text_of_the_prompt(data, message):
    """
    It is logged, and a client may send anything of any length.
    """
    with pytest.raises(RequestError, match=message) as error:
        validate(PromptBody, data)

    assert "secret" not in str(error.value)
    assert len(str(error.value)) < 200


def test_a_traceback_has_no_text_of_the_prompt():
    """
    Logs show tracebacks, and pydantic's errors quote their input.
    """
    secret = "my password is hunter2, and what of it"

    with pytest.raises(RequestError) as error:
        validate(PromptBody, {"prompt": [secret], "scope": {"alpha": 2}})

    assert secret not in "".join(traceback.format_exception(error.value))
