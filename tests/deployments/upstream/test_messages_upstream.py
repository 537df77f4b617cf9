"""An upstream that speaks Anthropic's Messages API behind chat completions."""

import json

import pytest

from tests.deployments.conftest import KEY

SPEAKS_MESSAGES = {"settings": {"api": "messages"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Köln"}}
THOUGHT = {"type": "thinking", "thinking": "Which city?", "signature": "c2lnbmVk"}


def chunks_of(got):
    """The chunks of a stream, without its end."""
    events = [event.removeprefix(b"data: ") for event in got.strip().split(b"\n\n")]
    assert events[-1] == b"[DONE]"
    return [json.loads(event) for event in events[:-1]]


def deltas_of(got):
    return [chunk["choices"][0]["delta"] for chunk in chunks_of(got) if chunk["choices"]]


def test_a_whole_answer_is_a_chat_completion(ask, site):
    """
    Text, finish reason and usage in OpenAI's words; small costs 1 and 2 USD per million tokens.
    """
    answer, _ = ask({"small": {"answer": "It is 4."}}, **SPEAKS_MESSAGES)
    (call,) = site.log()

    (choice,) = answer.body["choices"]
    assert choice["message"] == {"role": "assistant", "content": "It is 4."}
    assert choice["finish_reason"] == "stop"
    assert answer.body["usage"]["total_tokens"] == 30
    assert answer.body["scope"] == {"model": "small", "cost_usd": pytest.approx(40e-6)}
    assert call["path"] == "/v1/messages"
    assert call["body"]["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": site.prompt}]}
    ]


def test_the_key_is_sent_as_anthropic_reads_it(ask, site):
    """
    With the version of the API; a client may choose another version, and features in beta.
    """
    settings = {"api": "messages", "key_variable": "A_KEY"}
    headers = {"anthropic-beta": "context-1m", "authorization": "Bearer of-the-client"}
    ask(environ={"A_KEY": KEY}, settings=settings, headers=headers)
    (call,) = site.log()

    sent = call["headers"]
    assert (sent["x-api-key"], sent["anthropic-version"]) == (KEY, "2023-06-01")
    assert sent["anthropic-beta"] == "context-1m"
    assert "authorization" not in sent


def test_a_stream_is_one_of_chunks(ask):
    """
    The role first, then pieces of the text as they come, the finish reason and the usage.
    """
    options = {"stream": True, "stream_options": {"include_usage": True}}
    answer, got = ask({"small": {"answer": 'Say "ä\n" now.'}}, **options, **SPEAKS_MESSAGES)

    deltas = deltas_of(got)
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == 'Say "ä\n" now.'
    assert {chunk["model"] for chunk in chunks_of(got)} == {"small"}
    assert chunks_of(got)[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks_of(got)[-1]["usage"]["completion_tokens"] == 10
    assert answer.cost_usd == pytest.approx(40e-6)
