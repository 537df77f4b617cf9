import json

import pytest

from deployments.protocol.request_errors import ModelNotFoundError, RequestError
from deployments.requests.chat import ChatRequest
from deployments.settings.settings import Limits

MESSAGES = [{"role": "user", "content": "2+2?"}]


def parse(**fields):
    """Parse a chat for `auto` with these fields."""
    body = {"model": "auto", "messages": MESSAGES} | fields
    return ChatRequest.parse(json.dumps(body).encode(), Limits())


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        pytest.param({"model": None}, "model", "expected text, got null", id="null model"),
        pytest.param({"model": 7}, "model", "expected text, got 7", id="number for a model"),
        pytest.param({"messages": None}, "messages", "a list, got null", id="null messages"),
        pytest.param({"messages": []}, "messages", "at least 1", id="no messages"),
        pytest.param({"messages": "hi"}, "messages", "a list, got text of", id="text for messages"),
        pytest.param(
            {"messages": [7]}, "messages[0]", "an object, got 7", id="number for a message"
        ),
        pytest.param(
            {"messages": [{"content": "x"}]}, "messages[0].role", "required", id="no role"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": 7}]},
            "messages[0].content",
            "expected text, a list of parts, or null",
            id="number for content",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content",
            "part 0 is of type 'text' and has no text",
            id="text part without text",
        ),
        pytest.param({"n": 9}, "n", "9 is more than the 8", id="too many choices"),
        pytest.param({"n": 0}, "n", "expected at least 1, got 0", id="no choice"),
        pytest.param({"n": True}, "n", "a whole number, got true", id="true for a number"),
        pytest.param({"max_tokens": 10**6}, "max_tokens", "1000000 is more", id="max_tokens"),
        pytest.param(
            {"max_completion_tokens": 10**6}, "max_completion_tokens", "more", id="its new name"
        ),
        pytest.param({"stream": "yes"}, "stream", "true or false, got 'yes'", id="text for stream"),
        pytest.param({"tools": [7]}, "tools[0]", "got 7", id="number for a tool"),
        pytest.param({"scope": {"alpha": -1}}, "scope.alpha", "got -1", id="negative alpha"),
        pytest.param({"scope": {"alpha": "0.5"}}, "scope.alpha", "got '0.5'", id="alpha as text"),
        pytest.param({"scope": []}, "scope", "got a list of 0", id="list for scope"),
        pytest.param({"scope": {"deadline_ms": 0}}, "scope.deadline_ms", "got 0", id="no time"),
        pytest.param(
            {"plugins": [{"id": "auto-router", "cost_quality_tradeoff": 11}]},
            "plugins[0].cost_quality_tradeoff",
            "expected at most 10, got 11",
            id="OpenRouter's trade-off",
        ),
    ],
)
def test_a_wrong_field_is_named(fields, param, message):
    """
    The message has its value and the limit.
    """
    with pytest.raises(RequestError) as error:
        parse(**fields)

    assert error.value.param == param
    assert message in str(error.value)


def test_null_means_absent_in_an_optional_field():
    """
    Some clients send empty fields as null.
    """
    optional = ("stream", "n", "max_tokens", "tools", "response_format", "plugins", "scope")

    got = parse(**dict.fromkeys(optional))

    assert got.scope.objective_settings == {}


def test_an_upstream_gets_the_body_of_the_client():
    """
    Unknown fields are passed on; our own fields and the model are removed.
    """
    body = {
        "temperature": 0.5,
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}], "name": "Ann"}],
        "x_of_next_year": {"deep": [1, None]},
    }
    plugins = [{"id": "auto-router"}, {"id": "web", "max_results": 3}]

    got = parse(**body, scope={"alpha": 1}, plugins=plugins).upstream_body()

    assert got == body | {"plugins": [plugins[1]]}


def test_our_plugin_leaves_no_empty_field():
    """
    An upstream may not know the field `plugins`.
    """
    assert "plugins" not in parse(plugins=[{"id": "auto-router"}]).upstream_body()


@pytest.mark.parametrize(
    ("model", "pinned"),
    [
        pytest.param("auto", None, id="auto"),
        pytest.param("scope/auto", None, id="its long name"),
        pytest.param("b", "b", id="a model of the pool"),
    ],
)
def test_a_concrete_model_bypasses_the_decision(model, pinned):
    """
    The client's explicit choice holds.
    """
    assert parse(model=model).explicit_model(("a", "b")) == pinned


def test_an_unknown_model_is_rejected_with_the_known_ones():
    """
    The error is OpenAI's ``model_not_found``.
    """
    with pytest.raises(
        ModelNotFoundError, match="'gpt-9' is not in the pool; expected auto or one of a, b"
    ):
        parse(model="gpt-9").explicit_model(("a", "b"))


def test_a_repr_holds_no_text_of_a_prompt():
    """
    Logs show reprs.
    """
    assert "2+2" not in repr(parse())
