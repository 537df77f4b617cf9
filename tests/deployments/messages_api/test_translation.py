"""The other fields of a request, checked by OpenAI's own types."""

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from deployments.messages_api import MessagesTranslation
from deployments.protocol import RequestError

CHAT = TypeAdapter(CompletionCreateParamsNonStreaming)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOL = {"name": "add", "description": "Adds.", "input_schema": SCHEMA}
FUNCTION = {
    "type": "function",
    "function": {"name": "add", "description": "Adds.", "parameters": SCHEMA},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def translated(**fields):
    """The translation of a request; its chat is valid by OpenAI's types."""
    body = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    translation = MessagesTranslation.from_json(body | fields)
    CHAT.validate_python(translation.chat)
    return translation


@pytest.mark.parametrize(
    ("fields", "chat"),
    [
        pytest.param(
            {"temperature": 0.5, "top_p": 0.9, "top_k": 40},
            {"temperature": 0.5, "top_p": 0.9, "top_k": 40},
            id="sampling",
        ),
        pytest.param({"stop_sequences": ["END"]}, {"stop": ["END"]}, id="stop"),
        pytest.param({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}, id="user"),
        pytest.param({"service_tier": "auto"}, {"service_tier": "auto"}, id="tier"),
        pytest.param({"service_tier": "standard_only"}, {"service_tier": "default"}, id="standard"),
        pytest.param(
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"reasoning": {"max_tokens": 1024}},
            id="budget",
        ),
        pytest.param(
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            {"reasoning": {"enabled": True}, "reasoning_effort": "high"},
            id="adaptive",
        ),
        pytest.param(
            {"thinking": {"type": "disabled"}}, {"reasoning": {"enabled": False}}, id="disabled"
        ),
        pytest.param(
            {"output_config": {"effort": "max"}}, {"reasoning_effort": "xhigh"}, id="largest effort"
        ),
        pytest.param(
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
                }
            },
            id="schema",
        ),
        pytest.param(
            {"scope": {"alpha": 1}, "plugins": [{"id": "web"}]},
            {"scope": {"alpha": 1}, "plugins": [{"id": "web"}]},
            id="our own",
        ),
        pytest.param({"tools": [TOOL]}, {"tools": [FUNCTION]}, id="tool"),
        pytest.param(
            {"tools": [TOOL | {"type": "custom", "strict": True, "cache_control": {"type": "e"}}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": FUNCTION["function"] | {"strict": True},
                        "cache_control": {"type": "e"},
                    }
                ]
            },
            id="tool to cache",
        ),
        pytest.param(
            {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "add"}},
            {
                "tools": [FUNCTION],
                "tool_choice": {"type": "function", "function": {"name": "add"}},
            },
            id="that tool",
        ),
        pytest.param(
            {"tools": [TOOL], "tool_choice": {"type": "none"}},
            {"tools": [FUNCTION], "tool_choice": "none"},
            id="no tool",
        ),
        pytest.param(
            {
                "tools": [TOOL],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            },
            {"tools": [FUNCTION], "tool_choice": "auto", "parallel_tool_calls": False},
            id="one at a time",
        ),
        pytest.param({"tools": None, "system": None, "stream": None}, {}, id="null is absent"),
        pytest.param({"betas": ["x"], "context_management": None}, {}, id="without a meaning"),
    ],
)
def test_a_field_has_its_counterpart(fields, chat):
    """
    Nothing else is added.
    """
    got = translated(**fields)

    always = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    assert got.chat == always | chat
    assert got.ignored == ()


def test_a_long_user_id_becomes_a_hash():
    """
    OpenAI accepts 64 characters; the same user has the same hash.
    """
    first, again = (translated(metadata={"user_id": "u" * 65}).chat["user"] for _ in range(2))

    assert first == again
    assert len(first) == 64


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        pytest.param({"tools": [SEARCH, TOOL]}, "tools[0] (web_search_20250305)", id="server tool"),
        pytest.param({"tools": [TOOL | {"defer_loading": True}]}, "tools[].defer_loading", id="1"),
        pytest.param({"container": "c_1"}, "container", id="field"),
        pytest.param(
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            "thinking.display",
            id="display",
        ),
        pytest.param({"ä\r\nx": 1}, "???x", id="what no header can hold"),
    ],
)
def test_what_has_no_counterpart_is_named(fields, ignored):
    """
    In the order of the request, in characters that a header can have.
    """
    assert translated(**fields).ignored == (ignored,)


def test_many_ignored_fields_are_counted():
    """
    A header has a limit.
    """
    got = translated(**{f"field_{index}": 1 for index in range(40)})

    assert len(got.ignored) == 17
    assert got.ignored[-1] == "24 more"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"max_tokens": None}, "max_tokens: expected a whole number", id="null"),
        pytest.param({"messages": []}, "messages: expected at least 1 entry", id="no messages"),
        pytest.param(
            {"messages": [{"role": "tool", "content": "x"}]},
            "messages[0].role: expected 'user', 'assistant' or 'system'",
            id="role",
        ),
        pytest.param({"system": 7}, "system: expected text or a list of content", id="system"),
        pytest.param({"cache_control": 1}, "cache_control: expected an object, got 1", id="cache"),
        pytest.param({"tools": [{}]}, "tools[0].name: missing, and required", id="tool"),
        pytest.param({"tools": [{"name": "a"}]}, "tools[0].input_schema: missing", id="no schema"),
        pytest.param({"temperature": "hot"}, "temperature: expected a number", id="temperature"),
        pytest.param(
            {"output_config": {"effort": "huge"}}, "output_config.effort: expected 'low'", id="word"
        ),
        pytest.param(
            {"tools": [SEARCH], "tool_choice": {"type": "any"}},
            "tool_choice: demands a call, and no tool of `tools` can be called",
            id="a call of nothing",
        ),
        pytest.param(
            {"tools": [SEARCH, TOOL], "tool_choice": {"type": "tool", "name": "web_search"}},
            "tool_choice.name: 'web_search' is not among the tools that can be called; expected "
            "one of add",
            id="a call of a server tool",
        ),
        pytest.param(
            {"tool_choice": {"type": "tool"}}, "tool_choice.name: missing, and required", id="name"
        ),
    ],
)
def test_a_mistake_names_its_field(fields, message):
    """
    In one sentence.
    """
    with pytest.raises(RequestError) as caught:
        translated(**fields)

    assert str(caught.value).startswith(message)


def test_an_answer_has_a_limit_and_a_count_has_none():
    """
    `max_tokens` is required of one and not of the other.
    """
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}

    with pytest.raises(RequestError, match="max_tokens: missing, and required"):
        MessagesTranslation.from_json(body)
    assert MessagesTranslation.to_count(body).chat == body
