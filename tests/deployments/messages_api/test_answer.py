"""Whole chat completions as messages, checked strictly by Anthropic's own types."""

import json

import pytest
from anthropic.types import Message

from deployments.messages_api import MessagesTranslation

REQUEST = {
    "model": "auto",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
    "stop_sequences": ["END"],
}
USAGE = {"prompt_tokens": 20, "completion_tokens": 10}


def answered(said=None, *, finish_reason="stop", usage=USAGE, **choice):
    """The message of a completion, as a dict."""
    message = {"role": "assistant", "content": "Four.", **(said or {})}
    completion = {
        "id": "chatcmpl-7",
        "model": "small",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, **choice}],
        "usage": usage,
        "scope": {"model": "small", "cost_usd": 0.1},
    }
    got = MessagesTranslation.from_json(REQUEST).answer(completion)
    if usage is USAGE:
        Message.model_validate_json(json.dumps(got), strict=True)
    return got


def call(arguments, name="add", **more):
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_message_has_our_model_and_field():
    """
    And an id that tells which completion it was.
    """
    got = answered()

    assert (got["id"], got["model"], got["type"]) == ("msg_chatcmpl-7", "small", "message")
    assert got["content"] == [{"type": "text", "text": "Four."}]
    assert got["scope"] == {"model": "small", "cost_usd": 0.1}


@pytest.mark.parametrize(
    ("said", "choice", "reason", "sequence"),
    [
        pytest.param({}, {"finish_reason": "stop"}, "end_turn", None, id="end"),
        pytest.param({}, {"finish_reason": "length"}, "max_tokens", None, id="length"),
        pytest.param({}, {"finish_reason": "content_filter"}, "refusal", None, id="filter"),
        pytest.param({"refusal": "No."}, {}, "refusal", None, id="refusal"),
        pytest.param({"tool_calls": [call("{}")]}, {}, "tool_use", None, id="call with stop"),
        pytest.param(
            {"tool_calls": [call("{}")]}, {"finish_reason": "length"}, "max_tokens", None, id="cut"
        ),
        pytest.param({}, {"stop_reason": "END"}, "stop_sequence", "END", id="sequence"),
        pytest.param({}, {"stop_reason": "x"}, "end_turn", None, id="another sequence"),
        pytest.param({}, {"stop_reason": 128009}, "end_turn", None, id="a token"),
        pytest.param(
            {}, {"native_finish_reason": "pause_turn"}, "pause_turn", None, id="Anthropic's own"
        ),
        pytest.param({}, {"finish_reason": "eos"}, "end_turn", None, id="unknown word"),
    ],
)
def test_the_end_has_a_reason(said, choice, reason, sequence):
    """
    A stop sequence only where the upstream says so, and the client asked for it.
    """
    got = answered(said, **choice)

    assert (got["stop_reason"], got["stop_sequence"]) == (reason, sequence)


@pytest.mark.parametrize(
    ("said", "blocks"),
    [
        pytest.param(
            {"reasoning_content": "Hm."},
            [{"type": "thinking", "thinking": "Hm.", "signature": ""}],
            id="text",
        ),
        pytest.param(
            {
                "reasoning": "Hm.",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "Hm.", "signature": "c2ln", "index": 0},
                    {"type": "reasoning.encrypted", "data": "eHh4", "index": 1},
                    {"type": "reasoning.summary", "summary": "Well.", "index": 2},
                ],
            },
            [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "eHh4"},
                {"type": "thinking", "thinking": "Well.", "signature": ""},
            ],
            id="details",
        ),
    ],
)
def test_reasoning_comes_before_the_text(said, blocks):
    """
    Details, where there are some, have the signatures; the plain text repeats them.
    """
    assert answered(said)["content"] == [*blocks, {"type": "text", "text": "Four."}]


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        pytest.param('{"a": 1}', {"a": 1}, id="object"),
        pytest.param("", {}, id="nothing"),
        pytest.param(None, {}, id="null"),
        pytest.param({"a": 1}, {"a": 1}, id="no text but the object"),
        pytest.param("[1]", {"INVALID_JSON": "[1]"}, id="list"),
        pytest.param('{"a": ', {"INVALID_JSON": '{"a": '}, id="cut"),
        pytest.param('{"a": NaN}', {"INVALID_JSON": '{"a": NaN}'}, id="NaN"),
        pytest.param("[" * 9_999, {"INVALID_JSON": "[" * 9_999}, id="deep"),
    ],
)
def test_the_input_of_a_call_is_an_object(arguments, parsed):
    """
    What a model wrote is never dropped.
    """
    got = answered({"content": None, "tool_calls": [call(arguments)]}, finish_reason="tool_calls")

    assert got["content"] == [{"type": "tool_use", "id": "c1", "name": "add", "input": parsed}]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"content": [{"type": "text", "text": "Four."}]}, id="parts"),
        pytest.param({"content": None, "refusal": "Four."}, id="refusal"),
        pytest.param({"tool_calls": "none"}, id="no list of calls"),
    ],
)
def test_text_is_read_wherever_it_is(said):
    """
    Upstreams differ.
    """
    assert answered(said)["content"] == [{"type": "text", "text": "Four."}]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        pytest.param(USAGE, (20, None, None, 10), id="plain"),
        pytest.param(
            USAGE | {"prompt_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 3}},
            (5, 3, 12, 10),
            id="cache",
        ),
        pytest.param(
            USAGE | {"prompt_tokens_details": {"cached_tokens": 0}}, (20, None, 0, 10), id="none"
        ),
        pytest.param(None, (None, None, None, None), id="unknown"),
    ],
)
def test_tokens_of_the_cache_are_counted_apart(usage, counts):
    """
    What the upstream does not report is unknown, not 0.
    """
    got = answered(usage=usage)["usage"]

    names = (
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
    )
    assert tuple(got[name] for name in names) == counts


def test_reasoning_tokens_are_told():
    """
    They are part of the output.
    """
    usage = USAGE | {"completion_tokens_details": {"reasoning_tokens": 7}}

    assert answered(usage=usage)["usage"]["output_tokens_details"] == {"thinking_tokens": 7}
