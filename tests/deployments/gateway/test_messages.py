"""Anthropic's own client against the endpoint, over a socket."""

import json

import anthropic
import pytest

from tests.deployments.local import Site

ASK = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "a sum"}]}
TOOL = {
    "name": "add",
    "description": "Adds two numbers.",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
KEY = "sk-of-the-test"


class Endpoint:
    """An endpoint with its official client, and what its upstream saw."""

    def __init__(self, url, upstream):
        self.url, self.upstream = url, upstream
        self.client = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0)

    def replying(self, message=None, *, finish_reason="stop", usage=None, **choice):
        """Have the upstream answer with this message; returns the client's messages."""
        said = {"role": "assistant", "content": "Four.", **(message or {})}
        choice = {"index": 0, "message": said, "finish_reason": finish_reason, **choice}
        usage = usage or {"prompt_tokens": 20, "completion_tokens": 10}
        body = {"id": "chatcmpl-7", "choices": [choice], "usage": usage}
        script = {"script": [json.dumps(body)], "content_type": "application/json"}
        return self.behaving({"way": "script", **script})

    def streaming(self, *chunks):
        """Have the upstream stream chunks; returns the client's messages."""
        events = [f"data: {json.dumps({'id': 'chatcmpl-7', **chunk})}\n\n" for chunk in chunks]
        return self.behaving({"way": "script", "script": [*events, "data: [DONE]\n\n"]})

    def behaving(self, behaviour):
        """Have both models behave so; returns the client's messages."""
        self.upstream.behave({"*": behaviour})
        return self.client.messages

    def sent(self):
        """The body of the last call of the upstream."""
        return self.upstream.log()[-1]["body"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def endpoint(site, upstream):
    settings = {"base_url": upstream.base_url, "timeout_s": 5.0, "breaker_failures": 1000}
    with (
        site.open(upstreams={"small": settings, "large": settings}),
        site.listening() as url,
    ):
        yield Endpoint(url, upstream)


def delta(**fields):
    """A chunk with a piece of the answer."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def finish(reason, **usage):
    """The last chunks of a stream."""
    counts = {"prompt_tokens": 20, "completion_tokens": 10, **usage}
    return (
        {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {"choices": [], "usage": counts},
    )


def test_a_message_is_answered(endpoint):
    """
    With our name of the model, the counts of the upstream and our field.
    """
    details = {"cached_tokens": 12}

    got = endpoint.replying(
        usage={"prompt_tokens": 20, "completion_tokens": 10, "prompt_tokens_details": details}
    ).create(**ASK, system="Be brief.", stop_sequences=["\n"], metadata={"user_id": "u-1"})

    assert (got.type, got.role, got.model) == ("message", "assistant", "small")
    assert (got.content[0].type, got.content[0].text) == ("text", "Four.")
    assert got.stop_reason == "end_turn"
    assert (got.usage.input_tokens, got.usage.cache_read_input_tokens) == (8, 12)
    assert got.usage.output_tokens == 10
    assert got.scope["model"] == "small"
    sent = endpoint.sent()
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a sum"},
    ]
    assert (sent["max_tokens"], sent["stop"], sent["user"]) == (50, ["\n"], "u-1")


def test_a_stream_is_accumulated_to_the_same_message(endpoint):
    """
    Reasoning, text and a tool call, each a block of its own.
    """
    call = {"index": 0, "id": "call_1", "function": {"name": "add", "arguments": ""}}
    chunks = [
        delta(role="assistant", content=""),
        delta(reasoning_content="Let me "),
        delta(reasoning_content="add."),
        delta(content="I call "),
        delta(content="a tool."),
        delta(tool_calls=[call]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a": '}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "2}"}}]),
        *finish("tool_calls"),
    ]

    with endpoint.streaming(*chunks).stream(**ASK, tools=[TOOL]) as stream:
        texts = list(stream.text_stream)
        got = stream.get_final_message()

    assert texts == ["I call ", "a tool."]
    assert [block.type for block in got.content] == ["thinking", "text", "tool_use"]
    assert got.content[0].thinking == "Let me add."
    assert (got.content[2].id, got.content[2].name) == ("call_1", "add")
    assert got.content[2].input == {"a": 2}
    assert got.stop_reason == "tool_use"
    assert (got.usage.input_tokens, got.usage.output_tokens) == (20, 10)
    assert got.model == "small"


def test_a_tool_loop_of_two_turns(endpoint):
    """
    The client sends the message back as it came, and the result.
    """
    call = {"id": "call_1", "function": {"name": "add", "arguments": '{"a": 2}'}}
    asked = endpoint.replying(
        {"content": None, "tool_calls": [call]}, finish_reason="tool_calls"
    ).create(**ASK, tools=[TOOL], tool_choice={"type": "any", "disable_parallel_tool_use": True})
    first = endpoint.sent()
    result = {"type": "tool_result", "tool_use_id": asked.content[0].id, "content": "4"}
    messages = [
        *ASK["messages"],
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [result]},
    ]

    got = endpoint.replying().create(**{**ASK, "messages": messages}, tools=[TOOL])

    assert asked.stop_reason == "tool_use"
    assert (first["tool_choice"], first["parallel_tool_calls"]) == ("required", False)
    assert got.content[0].text == "Four."
    assert endpoint.sent()["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [{"type": "function"} | call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "4"},
    ]


def test_an_image_and_signed_thinking_reach_the_upstream(endpoint):
    """
    Thinking that comes back in a later turn keeps its signature.
    """
    detail = {"type": "reasoning.text", "text": "A pixel.", "signature": "c2ln", "index": 0}
    image = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": image}, {"type": "text", "text": "What is it?"}]
    ask = {**ASK, "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
    ask["messages"] = [{"role": "user", "content": content}]

    first = endpoint.replying({"reasoning_details": [detail]}).create(**ask)
    sent = endpoint.sent()
    answered = {"role": "assistant", "content": first.content}
    again = [*ask["messages"], answered, {"role": "user", "content": "Sure?"}]
    endpoint.client.messages.create(**{**ask, "messages": again})

    assert first.content[0].type == "thinking"
    assert (first.content[0].thinking, first.content[0].signature) == ("A pixel.", "c2ln")
    url = sent["messages"][0]["content"][0]["image_url"]["url"]
    assert url == f"data:image/png;base64,{PIXEL}"
    assert sent["messages"][0]["content"][1] == {"type": "text", "text": "What is it?"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param(
            {"max_tokens": 0}, anthropic.BadRequestError, "max_tokens: expected at least 1", id="0"
        ),
        pytest.param(
            {"model": "gpt-9"}, anthropic.NotFoundError, "model: 'gpt-9' is not", id="model"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            anthropic.BadRequestError,
            "messages[0].content[0].source: missing, and required",
            id="a block",
        ),
    ],
)
def test_a_mistake_is_an_error_of_its_kind(endpoint, change, error, message):
    """
    In Anthropic's format, by the names of this API.
    """
    with pytest.raises(error) as caught:
        endpoint.replying().create(**{**ASK, **change})

    assert caught.value.body["type"] == "error"
    assert message in caught.value.body["error"]["message"]


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_a_failure_of_all_upstreams_is_an_error_of_its_kind(endpoint, status, error, kind):
    """
    With the upstream's status.
    """
    failing = {"way": "status", "status": status}

    with pytest.raises(error) as caught:
        endpoint.behaving(failing).create(**ASK, extra_body={"scope": {"deadline_ms": 1500}})

    assert caught.value.body["error"]["type"] == kind


def test_a_stream_that_breaks_ends_with_an_error(endpoint):
    """
    The client raises it, and has no final message.
    """
    endpoint.behaving({"way": "error", "events": 2, "status": 500})

    with (
        pytest.raises(anthropic.APIStatusError, match="broke off") as caught,
        endpoint.client.messages.stream(**ASK) as stream,
    ):
        stream.until_done()

    assert caught.value.body["error"]["type"] == "api_error"


def test_tokens_are_counted_without_a_model(endpoint):
    """
    By our estimate, on the high side: 5 letters and a space, and the template of one message.
    """
    n_calls = len(endpoint.upstream.log())

    got = endpoint.client.messages.count_tokens(model="auto", messages=ASK["messages"])

    assert got.input_tokens == 2 + 8
    assert len(endpoint.upstream.log()) == n_calls


def test_what_is_left_out_is_named(endpoint):
    """
    A tool that Anthropic's servers run, and fields of its betas.
    """
    search = {"type": "web_search_20250305", "name": "web_search"}
    extra = {"context_management": {"edits": []}, "mcp_servers": [{"type": "url"}]}

    raw = endpoint.replying().with_raw_response.create(
        **ASK, tools=[TOOL, search], extra_body=extra
    )

    ignored = "tools[1] (web_search_20250305), context_management, mcp_servers"
    assert raw.headers["x-scope-ignored"] == ignored
    assert [tool["function"]["name"] for tool in endpoint.sent()["tools"]] == ["add"]


def test_errors_before_the_body_have_the_same_format(site, endpoint):
    """
    A wrong method here; a wrong key is in the same place.
    """
    got = site.client.get("/v1/messages")

    assert got.status_code == 405
    assert got.json()["error"]["type"] == "invalid_request_error"
    assert got.json()["type"] == "error"


def test_half_a_character_arrives(endpoint):
    """
    A truncated answer may end in one; it is no reason to lose the answer, whole or streamed.
    """
    whole = endpoint.replying({"content": "a\ud83d"}).create(**ASK)
    chunks = [delta(content="a"), delta(content="\ud83d"), *finish("length")]
    with endpoint.streaming(*chunks).stream(**ASK) as stream:
        streamed = stream.get_final_message()

    assert whole.content[0].text == streamed.content[0].text == "a\ud83d"
    assert streamed.stop_reason == "max_tokens"


def test_the_end_of_a_stream_has_our_field(endpoint):
    """
    With the model and the cost, beside the counts; a chunk that says ``error: null`` is none.
    """
    chunks = [delta(content="Four."), *(chunk | {"error": None} for chunk in finish("stop"))]

    events = list(endpoint.streaming(*chunks).create(**ASK, stream=True))

    assert [event.type for event in events[-2:]] == ["message_delta", "message_stop"]
    assert events[-2].scope["model"] == "small"
    assert events[-2].scope["cost_usd"] > 0
    assert events[-2].usage.input_tokens == 20


def test_a_json_answer_to_a_stream_becomes_events(endpoint):
    """
    Some upstreams ignore ``stream: true``.
    """
    call = {"id": "call_1", "function": {"name": "add", "arguments": '{"a": 2}'}}
    messages = endpoint.replying({"tool_calls": [call]}, finish_reason="tool_calls")

    with messages.stream(**ASK, tools=[TOOL]) as stream:
        got = stream.get_final_message()

    assert [block.type for block in got.content] == ["text", "tool_use"]
    assert got.content[1].input == {"a": 2}
