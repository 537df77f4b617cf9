"""A request of Anthropic's Messages API, made of a chat completion."""

import pytest

from deployments.upstream_api.request import JSON_ONLY, messages_request
from scope.upstream import UpstreamError

SONNET_45, OPUS_47, SONNET_46 = "claude-sonnet-4-5-20250929", "claude-opus-4-7", "claude-sonnet-4-6"
HAIKU_3, OTHER = "claude-3-haiku-20240307", "glm-4.6"
ASK = [{"role": "user", "content": "2+2?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
LOOP = [
    *ASK,
    {
        "role": "assistant",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "sunny"},
]


def sent(model=SONNET_45, **fields):
    """The request, without what every request has."""
    request = messages_request({"messages": ASK, **fields}, model)
    assert request.pop("model") == model
    del request["messages"]
    return request


def test_the_smallest_request():
    """
    Nothing that the client did not ask for but the limit that the API requires.
    """
    assert messages_request({"messages": ASK}, HAIKU_3) == {
        "model": HAIKU_3,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "2+2?"}]}],
    }


@pytest.mark.parametrize(
    ("model", "fields", "tokens"),
    [
        (SONNET_45, {}, 32_000),
        ("claude-3-5-haiku-20241022", {}, 8192),
        (OTHER, {}, 4096),
        (OTHER, {"max_tokens": 7}, 7),
        (OTHER, {"max_tokens": 7, "max_completion_tokens": 8}, 8),
    ],
)
def test_every_request_has_a_limit(model, fields, tokens):
    """
    The client's, else one that the model can write.
    """
    assert sent(model, **fields)["max_tokens"] == tokens


def test_tools_have_schemas():
    """
    A tool without parameters gets an empty one; marks of the prompt cache stay.
    """
    bare = {"type": "function", "function": {"name": "now", "description": "Tells the time."}}
    marked = {**TOOL, "cache_control": {"type": "ephemeral"}}

    assert sent(tools=[marked, bare])["tools"] == [
        {"name": "weather", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}},
        {
            "name": "now",
            "input_schema": {"type": "object", "properties": {}},
            "description": "Tells the time.",
        },
    ]


def test_strict_tools_are_strict_where_the_model_can():
    """
    Older ones refuse the field.
    """
    tool = {"type": "function", "function": {"name": "now", "strict": True}}

    assert sent(SONNET_45, tools=[tool])["tools"][0]["strict"] is True
    assert "strict" not in sent(HAIKU_3, tools=[tool])["tools"][0]


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
            {"type": "tool", "name": "weather"},
        ),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"parallel_tool_calls": True}, None),
    ],
)
def test_the_choice_of_tools(fields, choice):
    """
    In words of the API; none where the model is free.
    """
    assert sent(tools=[TOOL], **fields).get("tool_choice") == choice


def test_a_choice_without_tools_is_left_out():
    """
    The API refuses it.
    """
    assert "tool_choice" not in sent(tool_choice="auto")


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        pytest.param(HAIKU_3, {"temperature": 1.7}, {"temperature": 1.0}, id="above 1"),
        pytest.param(
            HAIKU_3, {"temperature": 0, "top_p": 0.5, "top_k": 4},
            {"temperature": 0, "top_p": 0.5, "top_k": 4}, id="an old model",
        ),
        pytest.param(
            SONNET_45, {"temperature": 0.2, "top_p": 0.5}, {"temperature": 0.2},
            id="only one since 4",
        ),
        pytest.param(SONNET_45, {"top_p": 0.5}, {"top_p": 0.5}, id="top_p alone"),
        pytest.param(OPUS_47, {"temperature": 0, "top_p": 0.5, "top_k": 4}, {}, id="none at 4.7"),
        pytest.param("claude-mythos-preview", {"temperature": 0}, {}, id="no number in the name"),
        pytest.param(
            SONNET_46, {"temperature": 0, "top_p": 0.97, "reasoning_effort": "low"},
            {"top_p": 0.97}, id="a model that thinks",
        ),
    ],
)  # fmt: skip
def test_sampling_is_what_the_model_accepts(model, fields, expected):
    """
    A preference of the client never fails the request.
    """
    request = sent(model, **fields)

    assert {name: request[name] for name in request if name in fields} == expected


@pytest.mark.parametrize(
    ("model", "fields", "thinking", "effort"),
    [
        pytest.param(SONNET_45, {}, None, None, id="not asked for"),
        pytest.param(
            SONNET_45, {"reasoning_effort": "medium", "max_tokens": 4000},
            {"type": "enabled", "budget_tokens": 2000}, None, id="half of the limit",
        ),
        pytest.param(
            SONNET_45, {"reasoning_effort": "minimal", "max_tokens": 4000},
            {"type": "enabled", "budget_tokens": 1024}, None, id="at least 1,024",
        ),
        pytest.param(
            SONNET_45, {"reasoning_effort": "high", "max_tokens": 1024}, None, None,
            id="no room to think",
        ),
        pytest.param(
            SONNET_45, {"reasoning": {"max_tokens": 5000}, "max_tokens": 4000},
            {"type": "enabled", "budget_tokens": 3999}, None, id="below the limit",
        ),
        pytest.param(
            OTHER, {"reasoning": {"max_tokens": 2000}},
            {"type": "enabled", "budget_tokens": 2000}, None, id="another maker",
        ),
        pytest.param(
            OPUS_47, {"reasoning_effort": "xhigh"},
            {"type": "adaptive", "display": "summarized"}, "xhigh", id="adaptive",
        ),
        pytest.param(
            OPUS_47, {"reasoning": {"effort": "minimal", "exclude": True}},
            {"type": "adaptive", "display": "omitted"}, "low", id="OpenRouter's form",
        ),
        pytest.param(
            OPUS_47, {"reasoning": {"max_tokens": 5000}},
            {"type": "adaptive", "display": "summarized"}, None, id="no budget since 4.7",
        ),
        pytest.param(
            SONNET_46, {"reasoning": {"max_tokens": 5000}},
            {"type": "enabled", "budget_tokens": 5000}, None, id="the last with a budget",
        ),
        pytest.param(SONNET_46, {"reasoning_effort": "none"}, {"type": "disabled"}, None, id="off"),
        pytest.param(SONNET_45, {"reasoning": {"enabled": False}}, None, None, id="off by default"),
        pytest.param("claude-fable-5", {"reasoning_effort": "none"}, None, None, id="always on"),
        pytest.param(HAIKU_3, {"reasoning_effort": "high"}, None, None, id="cannot think"),
        pytest.param(
            OPUS_47, {"reasoning_effort": "high", "tools": [TOOL], "tool_choice": "required"},
            None, "high", id="forced tools",
        ),
        pytest.param(
            SONNET_45, {"thinking": {"type": "adaptive"}, "reasoning_effort": "high"},
            {"type": "adaptive"}, None, id="the API's own field",
        ),
    ],
)  # fmt: skip
def test_thinking_is_what_the_model_accepts(model, fields, thinking, effort):
    """
    Adaptive with an effort since Claude 4.6, a budget before and elsewhere.
    """
    request = sent(model, **fields)

    assert request.get("thinking") == thinking
    assert request.get("output_config", {}).get("effort") == effort


def test_thinking_is_not_turned_on_in_the_middle_of_a_tool_loop():
    """
    Models with a budget refuse it where the answer before has no signed thinking.
    """
    request = messages_request({"messages": LOOP, "reasoning_effort": "low"}, SONNET_45)
    details = [{"type": "reasoning.text", "text": "Hm", "signature": "s", "index": 0}]
    signed = [LOOP[0], {**LOOP[1], "reasoning_details": details}, LOOP[2]]
    resumed = messages_request({"messages": signed, "reasoning_effort": "low"}, SONNET_45)

    newer = messages_request({"messages": LOOP, "reasoning": {"max_tokens": 2000}}, SONNET_46)

    assert "thinking" not in request
    assert newer["thinking"]["type"] == "adaptive"
    assert resumed["thinking"] == {"type": "enabled", "budget_tokens": 6400}


def test_a_schema_of_the_answer_is_kept_beside_the_effort():
    """
    A JSON mode without a schema is asked for in words.
    """
    schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    strict = sent(SONNET_46, response_format=schema, reasoning_effort="low")
    loose = sent(response_format={"type": "json_object"})

    assert strict["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": SCHEMA},
    }
    assert loose["system"] == [{"type": "text", "text": JSON_ONLY}]


def test_other_fields_have_other_names():
    """
    Stops of white space only are left out: the API refuses them.
    """
    request = sent(HAIKU_3, stop=["\n", "END"], user="u-1", service_tier="auto", stream=True)

    assert request == {
        "max_tokens": 4096,
        "stop_sequences": ["END"],
        "stream": True,
        "metadata": {"user_id": "u-1"},
        "service_tier": "auto",
    }


def test_what_an_answer_does_not_need_is_left_out():
    """
    No field that the API does not know reaches it.
    """
    fields = {
        "seed": 1,
        "frequency_penalty": 1,
        "presence_penalty": 1,
        "logit_bias": {"1": 2},
        "logprobs": False,
        "n": 1,
        "store": True,
        "service_tier": "flex",
        "stream_options": {"include_usage": True},
        "prediction": {},
    }

    assert sent(HAIKU_3, **fields) == {"max_tokens": 4096}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"modalities": ["text", "audio"]}, "modalities"),
    ],
)
def test_what_no_answer_has_is_refused(fields, param):
    """
    As a refusal, so that the next model is asked; nothing is learned of the model from a field.
    """
    with pytest.raises(UpstreamError) as raised:
        sent(**fields)

    assert raised.value.refusal is not None
    assert raised.value.body["error"]["param"] == param
    assert raised.value.refusal.subject in (None, "audio_output")


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"tools": [1]},
        {"response_format": {"type": "json_schema"}},
        {"temperature": "hot"},
    ],
)
def test_a_malformed_request_is_the_clients_mistake(fields):
    """
    Two models that say so end it.
    """
    with pytest.raises(UpstreamError) as raised:
        messages_request({"messages": ASK, **fields}, HAIKU_3)

    assert raised.value.is_client_error
    assert raised.value.refusal is None


@pytest.mark.parametrize("model", [SONNET_45, OPUS_47, OTHER])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": LOOP, "tools": [TOOL], "parallel_tool_calls": False, "stop": "x"},
        {"reasoning_effort": "high", "user": "u", "response_format": {"type": "json_object"}},
    ],
)
def test_the_official_types_accept_the_request(model, fields):
    """
    Every field has its name and type.
    """
    types = pytest.importorskip("anthropic").types.message_create_params
    pydantic = pytest.importorskip("pydantic")
    request = messages_request({"messages": ASK, **fields}, model)

    adapter = pydantic.TypeAdapter(types.MessageCreateParamsNonStreaming)
    checked = adapter.validate_python({"stream": False, **request})
    assert set(request) <= set(checked)
    for turn in checked["messages"]:  # lists are checked when they are read
        assert list(turn["content"])
    assert len(list(checked.get("tools", ()))) == len(request.get("tools", ()))
