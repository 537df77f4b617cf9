"""The sentences about wrong fields are in terms of JSON, not of the library that finds them."""

import pytest
from pydantic import ValidationError

from deployments.protocol import RequestError
from deployments.protocol.validation_messages import WORDING, validate
from deployments.requests.chat import ChatRequest, RouteChatBody
from deployments.requests.feedback import FeedbackBody
from deployments.requests.parsing import parse_json_object
from deployments.requests.routing_request import PromptBody, PromptsBody
from deployments.settings import AutoRouterPlugin, RequestOptions

MESSAGES = {"messages": [{"role": "user", "content": "2+2?"}]}
VALID = {
    ChatRequest: {"model": "auto", **MESSAGES},
    RouteChatBody: MESSAGES,
    PromptBody: {"prompt": "2+2?"},
    PromptsBody: {"prompts": ["2+2?"]},
    FeedbackBody: {"decision_id": f"dec_{32 * '0'}", "score": 1},
    AutoRouterPlugin: {"id": "auto-router"},
    RequestOptions: {},
}
LISTS = ([], [7], [None], [""], ["x" * 300], 2_000 * ["x"], [{}], [[]])
VALUES = (None, True, 0, -1, 1.5, 10**30, "", "x", "x" * 300, {}, {"x": 1}, *LISTS)
PYTHON = ("tuple", "dictionary", "instance", "input", "should", "permitted", "validation", "string")


def wrong_bodies(kind):
    """Yield the valid body of a model with each wrong value in each of its fields."""
    yield {}
    for field in (*kind.model_fields, "unknown"):
        for value in VALUES:
            yield VALID[kind] | {field: value}
            if field == "scope":
                yield from (VALID[kind] | {field: {name: value}} for name in (*OPTIONS, "unknown"))
            if field == "messages":
                yield VALID[kind] | {field: [{"role": value}]}
                yield VALID[kind] | {field: [{"role": "user", "content": value}]}


OPTIONS = tuple(RequestOptions.model_fields)


@pytest.mark.parametrize("kind", VALID)
def test_every_mistake_is_told_in_plain_words(kind):
    """
    Some 20 wrong values in every field of every body: no message is pydantic's own.
    """
    messages = set()
    for body in wrong_bodies(kind):
        try:
            validate(kind, body)
        except RequestError as error:
            messages.add(str(error).partition(": ")[2])

    assert len(messages) > 5
    for message in messages:
        assert not [word for word in PYTHON if word in message.lower()], message


@pytest.mark.parametrize("kind", VALID)
def test_every_kind_of_mistake_has_words(kind):
    """
    A field of a new type that has none fails here.
    """
    kinds = set()
    for body in wrong_bodies(kind):
        try:
            kind.model_validate(body)
        except ValidationError as error:
            kinds |= {details["type"] for details in error.errors()}

    assert kinds <= {*WORDING, "value_error"}


@pytest.mark.parametrize(
    ("kind", "wrong", "sentence"),
    [
        pytest.param(
            ChatRequest,
            {"messages": []},
            "messages: expected at least 1 entry, got a list of 0",
            id="no messages",
        ),
        pytest.param(
            PromptBody,
            {"scope": {"allowed_models": 257 * ["x"]}},
            "scope.allowed_models: expected at most 256 entries, got a list of 257",
            id="too many names",
        ),
        pytest.param(
            PromptBody,
            {"prompt": ""},
            "prompt: expected at least 1 character, got text of length 0",
            id="no text",
        ),
        pytest.param(
            ChatRequest,
            {"messages": ["x"]},
            "messages[0]: expected an object, got text of length 1",
            id="no object",
        ),
        pytest.param(
            PromptBody,
            {"scope": {"alhpa": 1}},
            "scope.alhpa: unknown field; expected one of alpha, min_quality, max_cost_usd, "
            "strategy, allowed_models, denied_models, deadline_ms, session_id and 1 more",
            id="a typo",
        ),
        pytest.param(
            FeedbackBody,
            {"decision_id": "dec_0"},
            "decision_id: expected text of the form ^dec_[0-9a-f]{32}$, got 'dec_0'",
            id="a pattern",
        ),
        pytest.param(
            AutoRouterPlugin,
            {"cost_quality_tradeoff": 11},
            "cost_quality_tradeoff: expected at most 10, got 11",
            id="a plugin",
        ),
    ],
)
def test_a_sentence_names_field_value_and_what_is_allowed(kind, wrong, sentence):
    """
    The field as a client writes it.
    """
    with pytest.raises(RequestError) as error:
        validate(kind, VALID[kind] | wrong)

    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(
            rb'{"messages": [{"content": "\ud83d\ude00"}, {"content": "\ud83d"}]}',
            "messages[1].content",
            id="the first half of a pair",
        ),
        pytest.param(
            rb'{"messages": [{"content": "a"}, {"content": [{"text": "\ude00 b"}]}]}',
            "messages[1].content[0].text",
            id="the second half, in a part",
        ),
        pytest.param(
            b'{"prompts": ["a", "\xed\xa0\xbd"]}', "prompts[1]", id="half of a pair in bytes"
        ),
        pytest.param(
            b'{"tools": [{"function": {"name": "caf\xe9"}}], "messages": []}',
            "tools[0].function.name",
            id="Latin-1",
        ),
        pytest.param(rb'{"scope": {"\ud83d": 1}}', "scope", id="in a name"),
        pytest.param(rb'{"\ud83d": 1}', None, id="in a name of the body"),
    ],
)
def test_the_field_that_is_no_unicode_is_named(body, field):
    """
    A column of a body of a hundred turns helps less.
    """
    with pytest.raises(RequestError, match=r"body: .*in UTF-8; .* no Unicode text") as error:
        parse_json_object(body)

    assert error.value.param == field
    assert (field or "the body") in str(error.value)
    str(error.value).encode()


@pytest.mark.parametrize(
    "body", [rb'{"a": "\ud83d"', 100_000 * b"[" + rb'"\ud83d"', b'\xff\xfe{"a": 1}']
)
def test_what_is_no_json_is_told_by_its_column(body):
    """
    There is no field to name.
    """
    with pytest.raises(RequestError, match=r"body: expected a JSON object in UTF-8; .* column"):
        parse_json_object(body)
