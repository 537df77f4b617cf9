"""A whole answer as a stream."""

import pytest

from deployments.upstream.conversion import completion_events
from scope.upstream.events import begins_answer, event_data, join_chunks

CALL = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USAGE = {"prompt_tokens": 20, "completion_tokens": 10}


def answer(*choices, **fields):
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": list(choices)} | fields


def choice(index=0, finish_reason="stop", **message):
    message = {"role": "assistant", "content": "42"} | message
    return {"index": index, "message": message, "finish_reason": finish_reason}


def chunks(whole):
    return [event_data(event) for event in completion_events(whole)]


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(answer(choice()), id="text"),
        pytest.param(answer(choice(), usage=USAGE), id="usage"),
        pytest.param(answer(choice(), choice(1, "length", content="b")), id="two choices"),
        pytest.param(
            answer(choice(finish_reason="tool_calls", content=None, tool_calls=[CALL])), id="tool"
        ),
        pytest.param(answer(choice(reasoning="Let me")), id="reasoning"),
        pytest.param(answer(choice() | {"logprobs": {"content": [{"token": "4"}]}}), id="logprobs"),
        pytest.param(answer(choice(content=None, refusal="no"), service_tier="x"), id="refusal"),
    ],
)
def test_a_client_reads_the_same_answer_from_the_stream(whole):
    """
    Joined again it is what it was.
    """
    assert join_chunks(chunks(whole)) == whole


def test_the_stream_is_as_of_an_upstream_that_streams():
    """
    The message, its finish reason, the usage without choices; tool calls have their index.
    """
    said = choice(finish_reason="tool_calls", tool_calls=[CALL])
    begun, ended, usage = chunks(answer(said, usage=USAGE))

    assert begins_answer(begun)
    assert begun["object"] == "chat.completion.chunk"
    assert begun["choices"][0]["delta"]["tool_calls"] == [{"index": 0, **CALL}]
    assert begun["choices"][0]["finish_reason"] is None
    assert ended["choices"] == [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]
    assert (usage["choices"], usage["usage"]) == ([], USAGE)


@pytest.mark.parametrize(("more", "reason"), [({}, "stop"), ({"tool_calls": [CALL]}, "tool_calls")])
def test_a_missing_finish_reason_is_supplied(more, reason):
    """
    The answer is whole: its body was.
    """
    ended = chunks(answer(choice(finish_reason=None, **more)))[1]

    assert ended["choices"][0]["finish_reason"] == reason
