import json

import pytest

from deployments.tracing.chat_content import input_messages, output_messages

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        pytest.param(
            {"role": "user", "content": "2+2?"}, [{"type": "text", "content": "2+2?"}], id="text"
        ),
        pytest.param(
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ],
            },
            [{"type": "text", "content": "What is it?"}, {"type": "image_url"}],
            id="an image without its bytes",
        ),
        pytest.param(
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            [{"type": "tool_call", "id": "call_1", "name": "add", "arguments": '{"a": 1}'}],
            id="a tool call",
        ),
        pytest.param(
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
            [{"type": "tool_call_response", "id": "call_1", "response": "3"}],
            id="its result",
        ),
        pytest.param(
            {"role": "assistant", "reasoning_content": "Hm.", "content": "4"},
            [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "4"}],
            id="reasoning",
        ),
    ],
)
def test_a_message_has_the_shape_of_the_conventions(message, parts):
    """
    The same in a request and in an answer.
    """
    assert json.loads(input_messages([message])) == [{"role": message["role"], "parts": parts}]
    completion = {"choices": [{"index": 0, "message": message}]}
    assert json.loads(output_messages(completion)) == json.loads(input_messages([message]))


def test_what_is_no_message_is_left_out():
    """
    Upstreams refuse it; a trace must not fail of it.
    """
    assert json.loads(input_messages(["hello", None, {"content": 7, "tool_calls": [1]}])) == [
        {"role": "assistant", "parts": []}
    ]
