"""An upstream that speaks Anthropic's Messages API behind chat completions."""

import json

import pytest

from scope.upstream.events import join_chunks
from tests import messages_api
from tests.deployments.conftest import KEY, failing, outcomes

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


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_tool_loop_goes_round_with_its_thinking(ask, site, stream):
    """
    The call and the signed thinking come back to the provider as they were, thinking first.
    """
    blocks = [THOUGHT, CALL]
    tools = [{"type": "function", "function": {"name": "weather"}}]
    told = {"small": {"blocks": blocks, "stop_reason": "tool_use"}}
    answer, got = ask(told, tools=tools, stream=stream, **SPEAKS_MESSAGES)
    body = join_chunks(chunks_of(got)) if stream else answer.body
    message = body["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "4 °C"}
    messages = [{"role": "user", "content": "?"}, message, result, user(site.prompt)]
    ask(told, messages=messages, tools=tools, **SPEAKS_MESSAGES)

    assert body["choices"][0]["finish_reason"] == "tool_calls"
    assert message["reasoning"] == "Which city?"
    assert site.log()[-1]["body"]["messages"][1:] == [
        {"role": "assistant", "content": blocks},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "4 °C"},
                {"type": "text", "text": site.prompt},
            ],
        },
    ]


def user(content):
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    ("behaviour", "outcome", "status"),
    [
        ({"status": 529, "error_type": "overloaded_error"}, "http 529", 529),
        ({"status": 429, "error_type": "rate_limit_error", "retry_after": "7"}, "http 429", 429),
        ({"status": 500, "error_type": "api_error"}, "http 500", 500),
        ({"status": 401, "error_type": "authentication_error"}, "http 401", 502),
        ({"status": 400, "error_type": "invalid_request_error"}, "http 400", 400),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_of_the_provider_is_told(ask, behaviour, outcome, status):
    """
    With its status where a retry may help, and its ``Retry-After``.
    """
    answer, _ = ask({"*": failing(**behaviour)}, attempts=1, **SPEAKS_MESSAGES)

    assert outcomes(answer)[0] == ("small", outcome)
    assert answer.status == status
    assert answer.headers == ({"retry-after": "7"} if status == 429 else {})


@pytest.mark.parametrize(
    "message",
    [
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for claude",
    ],
    ids=["no credit", "long prompt", "long answer"],
)
def test_a_refusal_goes_to_the_next_model(ask, message):
    """
    It is the router's choice that was wrong, or the operator's account.
    """
    refusing = failing(status=400, error_type="invalid_request_error", message=message)
    answer, _ = ask({"small": refusing}, **SPEAKS_MESSAGES)

    assert outcomes(answer) == [("small", "http 400"), ("large", "ok")]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_the_api_cannot_say_is_not_sent(ask, site, stream):
    """
    All models here speak the same API: the client gets a sentence, and no model a call.
    """
    audio = {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
    answer, _ = ask(messages=[user([audio])], stream=stream, **SPEAKS_MESSAGES)

    assert outcomes(answer) == [("small", "not supported"), ("large", "not supported")]
    assert answer.status == 400
    assert answer.body["error"]["message"].startswith("messages: audio is not supported by")
    assert site.log() == []


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (failing("error", events=0, error_type="overloaded_error"), "http 529"),
        (failing("error", events=3, error_type="overloaded_error"), "http 529"),
        (failing("short", events=3), "cut connection"),
        (failing("cut", events=3), "cut connection"),
        (failing("script", script=["event: message_start\ndata: {}\n\n"]), "cut connection"),
    ],
    ids=["error at once", "error before the text", "end", "cut", "events without a type"],
)
def test_a_stream_falls_back_before_its_first_text(ask, behaviour, outcome):
    """
    The beginning of a message and of a block, and pings, are no answer yet.
    """
    answer, got = ask({"small": behaviour}, stream=True, **SPEAKS_MESSAGES)

    assert outcomes(answer) == [("small", outcome), ("large", "ok")]
    assert {chunk["model"] for chunk in chunks_of(got)} == {"large"}


@pytest.mark.parametrize("way", ["error", "short", "cut"])
def test_a_stream_that_breaks_after_its_first_text_ends_with_an_error(ask, way):
    """
    Nothing is retried, and there is no ``[DONE]``.
    """
    broken = failing(way, events=5, error_type="overloaded_error")
    answer, got = ask({"small": broken}, stream=True, **SPEAKS_MESSAGES)

    assert outcomes(answer) == [("small", "ok")]
    assert b"The a" in got
    assert b"[DONE]" not in got
    last = json.loads(got.strip().split(b"\n\n")[-1].removeprefix(b"data: "))
    assert last["error"]["message"].startswith("small broke off")


def test_a_whole_answer_to_a_stream_is_sent_as_one(ask):
    """
    Gateways do so.
    """
    whole = json.dumps(messages_api.message({**messages_api.NORMAL, "answer": "It is 4."}))
    behaviour = failing("script", script=[whole], content_type="application/json")
    _, got = ask({"small": behaviour}, stream=True, **SPEAKS_MESSAGES)

    assert "".join(delta.get("content") or "" for delta in deltas_of(got)) == "It is 4."


def test_a_stream_to_a_call_without_one_is_an_answer(ask):
    """
    Its events are joined.
    """
    behaviour = {**messages_api.NORMAL, "answer": "It is 4."}
    events = [messages_api.event(event) for event in messages_api.events(behaviour)]
    answer, _ = ask({"small": failing("script", script=events)}, **SPEAKS_MESSAGES)

    assert answer.body["choices"][0]["message"]["content"] == "It is 4."
    assert answer.usage["total_tokens"] == 30


def test_the_cost_counts_what_the_cache_read(ask):
    """
    large: 20 × 10 + 80 × 1 + 10 × 20 = 480 millionths of a dollar.
    """
    usage = {"input_tokens": 20, "cache_read_input_tokens": 80, "output_tokens": 10}
    told = {"large": {"message_usage": usage}}
    whole, _ = ask(told, models=["large"], **SPEAKS_MESSAGES)
    stream, _ = ask(told, models=["large"], stream=True, **SPEAKS_MESSAGES)

    assert whole.cost_usd == pytest.approx(480e-6)
    assert stream.cost_usd == pytest.approx(480e-6)


def test_the_best_of_several_samples_is_chosen(ask):
    """
    Each sample is a call.
    """
    answers = {"small": {"answers": ["It is 4.", "It is 5.", "It is 4."]}}
    answer, _ = ask(answers, models=["small@3"], **SPEAKS_MESSAGES)

    assert answer.body["choices"][0]["message"]["content"] == "It is 4."
    assert answer.body["scope"]["n"] == 3
    assert answer.usage["total_tokens"] == 90


def test_rules_of_the_operator_come_before_the_translation(ask, site):
    """
    A default of the chat completion is one of the message.
    """
    settings = {"api": "messages", "default": {"max_tokens": 123}, "drop": ("user",)}
    ask(settings=settings, user="u-1")
    (call,) = site.log()

    assert call["body"]["max_tokens"] == 123
    assert "metadata" not in call["body"]


@pytest.mark.parametrize("is_translated", [False, True])
def test_a_chat_upstream_gets_no_fields_that_a_translation_added(ask, site, is_translated):
    """
    What a client of chat completions sends itself is never touched.
    """
    message = {"role": "user", "content": site.prompt, "cache_control": {"type": "ephemeral"}}
    body = {"messages": [message], "reasoning": {"effort": "low"}}
    ask(is_translated=is_translated, **body)
    (call,) = site.log()

    assert ("cache_control" in call["body"]["messages"][0]) is not is_translated
    assert ("reasoning" in call["body"]) is not is_translated
    assert call["body"].get("reasoning_effort") == ("low" if is_translated else None)
