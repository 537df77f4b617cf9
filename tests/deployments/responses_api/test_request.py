import pytest

from deployments.protocol import RequestError
from deployments.responses_api.translation import ResponseTranslation, response_error

SCHEMA = {"type": "object", "properties": {}}


def translated(**fields):
    return ResponseTranslation.from_json({"model": "auto", "input": "x", **fields})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"max_output_tokens": 16}, {"max_tokens": 16}, id="longest answer"),
        pytest.param({"temperature": 0, "top_p": 0.5}, {"temperature": 0, "top_p": 0.5}, id="draw"),
        pytest.param({"text": {"format": {"type": "text"}}}, {}, id="text"),
        pytest.param(
            {"text": {"format": {"type": "json_object"}, "verbosity": "low"}},
            {"response_format": {"type": "json_object"}, "verbosity": "low"},
            id="JSON",
        ),
        pytest.param(
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": SCHEMA},
                }
            },
            id="a schema is nested",
        ),
        pytest.param(
            {"reasoning": {"effort": "high", "summary": "auto"}},
            {"reasoning_effort": "high"},
            id="effort",
        ),
        pytest.param({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}, id="logprobs"),
        pytest.param(
            {"include": ["message.output_text.logprobs", "reasoning.encrypted_content"]},
            {"logprobs": True, "top_logprobs": 0},
            id="logprobs by include",
        ),
        pytest.param({"scope": {"alpha": 1}}, {"scope": {"alpha": 1}}, id="our field"),
        pytest.param({"seed": 7, "top_k": 3}, {"seed": 7, "top_k": 3}, id="fields of upstreams"),
        pytest.param(
            {"user": "u", "prompt_cache_key": "k", "service_tier": "flex"},
            {"user": "u", "prompt_cache_key": "k", "service_tier": "flex"},
            id="the same in both",
        ),
        pytest.param(
            {
                "store": True,
                "metadata": {"a": "b"},
                "stream_options": {"include_obfuscation": False},
            },
            {},
            id="what only stored responses need",
        ),
        pytest.param(
            {
                "instructions": None,
                "tools": None,
                "text": None,
                "conversation": None,
                "store": None,
            },
            {},
            id="null is absent",
        ),
    ],
)
def test_a_field_of_a_chat_completion(given, expected):
    """
    Nothing is sent that the client did not set.
    """
    got = translated(**given).chat

    rest = {name: value for name, value in got.items() if name not in ("model", "messages")}
    assert rest == expected


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param({"max_tool_calls": 3}, ["max_tool_calls"], id="of this API"),
        pytest.param({"n": 2}, ["n"], id="several answers"),
        pytest.param({"truncation": "auto"}, ["truncation"], id="a value"),
        pytest.param({"client_metadata": {}}, ["client_metadata"], id="unknown"),
        pytest.param({"a\r\nb: 1": 7}, ["a field"], id="no name for a header"),
    ],
)
def test_fields_without_effect_are_named(given, named):
    """
    And not passed on: upstreams refuse what they do not know.
    """
    got = translated(**given)

    assert got.ignored == named
    assert set(got.chat) == {"model", "messages"}


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        pytest.param(
            {"conversation": "c"}, "conversation", "not stored here; send the whole", id="stored"
        ),
        pytest.param({"prompt": {"id": "p"}}, "prompt", "send the text of the prompt", id="prompt"),
        pytest.param({"background": True}, "background", "expected false", id="background"),
        pytest.param(
            {"background": 7}, "background", "expected true or false, got 7", id="a number"
        ),
        pytest.param(
            {"max_tokens": 5},
            "max_tokens",
            "a field of chat completions; expected max_output_tokens",
            id="name of chat completions",
        ),
        pytest.param({"model": None}, "model", "expected text, got null", id="no model"),
        pytest.param({"temperature": "hot"}, "temperature", "expected a number", id="temperature"),
        pytest.param({"max_output_tokens": 0}, "max_output_tokens", "at least 1", id="no tokens"),
        pytest.param({"truncation": "no"}, "truncation", "'auto' or 'disabled'", id="truncation"),
        pytest.param(
            {"text": {"verbosity": "loud"}}, "text.verbosity", "'low', 'medium' or", id="verbosity"
        ),
        pytest.param(
            {"text": {"format": {"type": "xml"}}},
            "text.format.type",
            "expected one of text, json_object, json_schema, got 'xml'",
            id="format",
        ),
        pytest.param(
            {"text": {"format": {"type": "json_schema", "name": "n"}}},
            "text.format.schema",
            "expected an object",
            id="no schema",
        ),
    ],
)
def test_a_wrong_field_is_named(given, field, message):
    """
    One sentence that begins with the field.
    """
    with pytest.raises(RequestError) as refused:
        translated(**given)

    assert refused.value.param == field
    assert str(refused.value).startswith(f"{field}: ")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("error", "param", "message"),
    [
        pytest.param(
            {"message": "max_tokens: 9 is more than 8", "param": "max_tokens"},
            "max_output_tokens",
            "max_output_tokens: 9 is more than 8",
            id="another name here",
        ),
        pytest.param({"message": "model: no", "param": "model"}, "model", "model: no", id="same"),
        pytest.param({"message": "late", "param": None}, None, "late", id="no field"),
    ],
)
def test_an_error_has_the_names_of_this_api(error, param, message):
    """
    Also one that the chat completion gets.
    """
    got = response_error(400, error)["error"]

    assert (got["param"], got["message"]) == (param, message)
