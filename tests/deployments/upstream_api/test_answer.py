"""A chat completion, made of an answer of Anthropic's Messages API."""

import pytest

from deployments.upstream_api.answer import chat_completion, chat_usage
from scope.pool import ModelSpec
from scope.prices import TokenUsage, bill_usd
from tests.messages_api import NORMAL, message

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
HIDDEN = {"type": "redacted_thinking", "data": "d1"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Köln"}}
SERVER = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}


def answered(*blocks, **more):
    """The completion of an answer of these blocks."""
    behaviour = {**NORMAL, "answer": "4", "blocks": list(blocks), **more}
    return chat_completion(message(behaviour))


def choice(*blocks, **more):
    return answered(*blocks, **more)["choices"][0]


def test_texts_are_one_text():
    """
    Blocks of tools that the provider runs stand between them, and are left out.
    """
    found = choice({"type": "text", "text": "A"}, SERVER, {"type": "text", "text": "B"})

    assert found["message"] == {"role": "assistant", "content": "AB"}


def test_calls_of_tools_have_their_arguments_as_json():
    """
    And without a text the content is null.
    """
    found = choice(CALL, stop_reason="tool_use")

    assert found["finish_reason"] == "tool_calls"
    assert found["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "toolu_1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "K\\u00f6ln"}'},
            }
        ],
    }


def test_thinking_is_shown_and_can_be_sent_back():
    """
    Its text, and each block with what the provider signed.
    """
    found = choice(THOUGHT, HIDDEN, {"type": "text", "text": "4"})["message"]

    assert found["reasoning"] == "Hm."
    assert [
        {name: detail[name] for name in detail if name != "format"}
        for detail in found["reasoning_details"]
    ] == [
        {"type": "reasoning.text", "text": "Hm.", "signature": "s1", "index": 0},
        {"type": "reasoning.encrypted", "data": "d1", "index": 1},
    ]


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_why_it_ended(stop_reason, finish_reason):
    """
    In OpenAI's words, and in those of the provider.
    """
    found = choice(stop_reason=stop_reason, stop_sequence="END")

    assert found["finish_reason"] == finish_reason
    assert found["native_finish_reason"] == stop_reason
    assert found["stop_reason"] == "END"


NATIVE = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 400,
    "output_tokens": 50,
    "output_tokens_details": {"thinking_tokens": 30},
}


def test_usage_counts_the_cache_into_the_prompt():
    """
    100 + 2,000 + 400 tokens of prompt.
    """
    assert chat_usage(NATIVE) == {
        "prompt_tokens": 2500,
        "completion_tokens": 50,
        "total_tokens": 2550,
        "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }


@pytest.mark.parametrize("without", [(), ("cache_read_input_tokens",), tuple(NATIVE)[1:3]])
def test_the_bill_is_that_of_the_usage_as_the_provider_counts(without):
    """
    100 × 3 + 2,000 × 0.3 + 400 × 3.75 + 50 × 15 = 3,150 millionths of a dollar.
    """
    price = ModelSpec(
        id="m",
        usd_per_mtok_in=3,
        usd_per_mtok_out=15,
        usd_per_mtok_cached_in=0.3,
        usd_per_mtok_cache_write=3.75,
    )
    native = {name: NATIVE[name] for name in NATIVE if name not in without}
    bill = bill_usd(price, TokenUsage.from_json(chat_usage(native)))

    assert bill == pytest.approx(bill_usd(price, TokenUsage.from_json(native)))
    if not without:
        assert bill == pytest.approx(3150e-6)
