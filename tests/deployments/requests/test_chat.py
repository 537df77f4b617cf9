import json

import pytest

from deployments.protocol.request_errors import ModelNotFoundError, RequestError
from deployments.requests.chat import ChatRequest
from deployments.settings.settings import Limits

ASKED = [{"role": "user", "content": "2+2?"}]


def parse(**fields):
    """Read a chat that asks for auto, but for these fields."""
    body = {"model": "auto", "messages": ASKED} | fields
    return ChatRequest.parse(json.dumps(body).encode(), Limits())


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        pytest.param({"model": None}, "model", "valid string, got null", id="null model"),
        pytest.param({"model": 7}, "model", "valid string, got 7", id="number for a model"),
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
        pytest.param({"n": 0}, "n", "greater than or equal to 1, got 0", id="no choice"),
        pytest.param({"n": True}, "n", "valid integer, got true", id="true for a number"),
        pytest.param({"max_tokens": 10**6}, "max_tokens", "1000000 is more", id="max_tokens"),
        pytest.param(
            {"max_completion_tokens": 10**6}, "max_completion_tokens", "more", id="its new name"
        ),
        pytest.param({"stream": "yes"}, "stream", "boolean, got 'yes'", id="text for stream"),
        pytest.param({"tools": [7]}, "tools[0]", "got 7", id="number for a tool"),
        pytest.param({"scope": {"alpha": -1}}, "scope.alpha", "got -1", id="negative alpha"),
        pytest.param({"scope": {"alpha": "0.5"}}, "scope.alpha", "got '0.5'", id="alpha as text"),
        pytest.param({"scope": []}, "scope", "got a list of 0", id="list for scope"),
        pytest.param({"scope": {"deadline_ms": 0}}, "scope.deadline_ms", "got 0", id="no time"),
        pytest.param(
            {"plugins": [{"id": "auto-router", "cost_quality_tradeoff": 11}]},
            "plugins[0].cost_quality_tradeoff",
            "less than or equal to 10, got 11",
            id="OpenRouter's dial",
        ),
    ],
)
def test_a_wrong_field_is_named(fields, param, message):
    """
    With its value and what is allowed.
    """
    with pytest.raises(RequestError) as refused:
        parse(**fields)

    assert refused.value.param == param
    assert message in str(refused.value)


def test_a_null_is_absent_where_a_field_is_optional():
    """
    Clients write out what they leave empty.
    """
    optional = ("stream", "n", "max_tokens", "tools", "response_format", "plugins", "scope")

    got = parse(**dict.fromkeys(optional))

    assert got.scope.objective_settings == {}


def test_an_upstream_gets_what_came():
    """
    Fields that nobody here knows included; ours are taken out, the model is the real one.
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


def test_no_empty_field_is_left_of_our_plugin():
    """
    An upstream that knows no plugins is not told of any.
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
    Nobody's explicit choice is taken from them.
    """
    assert parse(model=model).explicit_model(("a", "b")) == pinned


def test_an_unknown_model_is_refused_with_the_known():
    """
    As OpenAI does: 404, ``model_not_found``.
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
