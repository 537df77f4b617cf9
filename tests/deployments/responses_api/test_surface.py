"""OpenAI's client against an endpoint in this process, before an upstream with chat completions."""

import json

import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from tests.deployments.local import Site

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
SHELL = {"type": "custom", "name": "shell", "description": "Runs a command."}


class Country(BaseModel):
    name: str
    capital: str


@pytest.fixture(scope="module")
def site(tmp_path_factory, upstream):
    settings = {"base_url": upstream.base_url, "timeout_s": 5.0}
    with Site(tmp_path_factory.mktemp("site")).open(
        upstreams={"small": settings, "large": settings}, policy={"alpha": 0.0}
    ) as client:
        yield client


@pytest.fixture
def client(site, upstream):
    upstream.behave({})
    return openai.OpenAI(
        base_url="http://testserver/v1", api_key="unused", max_retries=0, http_client=site
    )


def event(delta, finish_reason=None, **more):
    """One chunk of an upstream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return f"data: {json.dumps({'id': 'c', 'model': 'm', 'choices': [choice], **more})}\n\n"


def completion(message, finish_reason="stop", **more):
    """A whole answer of an upstream."""
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"id": "c", "object": "chat.completion", "choices": [choice], **more})


def script(*pieces, content_type="text/event-stream"):
    return {"*": {"way": "script", "script": pieces, "content_type": content_type}}


def sent(upstream):
    """The body of the last request to the upstream."""
    return upstream.log()[-1]["body"]


def call(name, arguments, index=0):
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": f"call_{index}", "type": "function", "function": function}


def test_a_whole_response(client, upstream):
    """
    The official type takes it strictly; usage, cost and the model are those of the router.
    """
    raw = client.responses.with_raw_response.create(
        model="auto", input="a sum", instructions="Be brief.", metadata={"run": "7"}
    )
    got = Response.model_validate(json.loads(raw.content), strict=True)

    assert got.output_text == "The answer is (A)."
    assert (got.status, got.model, got.store) == ("completed", "small", False)
    assert (got.usage.input_tokens, got.usage.output_tokens, got.usage.total_tokens) == (20, 10, 30)
    assert got.instructions == "Be brief."
    assert got.metadata == {"run": "7"}
    assert got.scope["model"] == raw.headers["x-scope-model"] == "small"
    assert sent(upstream)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a sum"},
    ]
    assert set(sent(upstream)) == {"messages", "model"}


def test_a_stream_is_every_event_of_a_response(client):
    """
    The last one is the whole response with its usage and our field.
    """
    events = list(client.responses.create(model="auto", input="a sum", stream=True))

    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[4:-4] == ["response.output_text.delta"] * 4
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    assert last.output_text == "".join(e.delta for e in events[4:-4]) == "The answer is (A). "
    assert last.usage.total_tokens == 30
    assert last.scope["cost_usd"] > 0


def test_the_accumulator_of_the_client_ends_with_the_response(client):
    """
    `responses.stream` of the official client checks identities and indexes as it goes.
    """
    with client.responses.stream(model="auto", input="a sum") as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()

    assert "response.completed" in kinds
    assert final.output_text == "The answer is (A). "


def test_an_answer_is_parsed_into_a_class(client, upstream):
    """
    The flat schema of this API reaches the upstream as chat completions nest it.
    """
    upstream.behave({"*": {"answer": '{"name": "France", "capital": "Paris"}'}})

    got = client.responses.parse(model="auto", input="a sum", text_format=Country)

    assert got.output_parsed == Country(name="France", capital="Paris")
    form = sent(upstream)["response_format"]
    assert (form["type"], form["json_schema"]["name"]) == ("json_schema", "Country")
    assert form["json_schema"]["schema"]["required"] == ["name", "capital"]


def test_a_tool_loop_of_two_turns(client, upstream):
    """
    What the first turn returns is the input of the second, as the client's documentation has it.
    """
    message = {"role": "assistant", "content": "Let me see.", "tool_calls": []}
    message["tool_calls"] = [call("weather", '{"city": "Paris"}'), call("weather", "{}", 1)]
    message["reasoning_content"] = "Two cities."
    body = completion(message, "tool_calls")
    upstream.behave(script(body, content_type="application/json"))
    items = [{"role": "user", "content": "a sum"}]
    first = client.responses.create(model="auto", input=items, tools=[WEATHER])
    upstream.behave({})

    items += first.output
    for item in first.output:
        if item.type == "function_call":
            output = {"type": "function_call_output", "call_id": item.call_id, "output": "sun"}
            items.append(output)
    second = client.responses.create(model="auto", input=items, tools=[WEATHER])

    kinds = [item.type for item in first.output]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert first.output[2].arguments == '{"city": "Paris"}'
    assert second.output_text == "The answer is (A)."
    _, assistant, *results = sent(upstream)["messages"]
    assert assistant["content"] == "Let me see."
    assert [one["id"] for one in assistant["tool_calls"]] == ["call_0", "call_1"]
    assert [one["tool_call_id"] for one in results] == ["call_0", "call_1"]
    function = sent(upstream)["tools"][0]["function"]
    assert function == {name: value for name, value in WEATHER.items() if name != "type"}


def test_calls_whose_pieces_alternate(client, upstream):
    """
    Each piece names the item that it belongs to.
    """
    pieces = [
        event({"tool_calls": [call("weather", "", 0)]}),
        event({"tool_calls": [call("weather", "", 1)]}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}),
        event({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]}),
        event({}, "tool_calls"),
    ]
    upstream.behave(script(*pieces, "data: [DONE]\n\n"))

    with client.responses.stream(model="auto", input="a sum", tools=[WEATHER]) as stream:
        events = list(stream)
        final = stream.get_final_response()

    assert [item.arguments for item in final.output] == ['{"city": "Paris"}', "{}"]
    deltas = [e for e in events if e.type == "response.function_call_arguments.delta"]
    assert [delta.output_index for delta in deltas] == [0, 1, 0]
    assert final.usage is None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_custom_tool_takes_plain_text(client, upstream, stream):
    """
    The upstream gets a function with one parameter, the client its call with plain text.
    """
    arguments = '{"input": "ls -l \\"a\\""}'
    if stream:
        first, second = call("shell", arguments[:14]), {"function": {"arguments": arguments[14:]}}
        pieces = [event({"tool_calls": [first]}), event({"tool_calls": [second | {"index": 0}]})]
        upstream.behave(script(*pieces, event({}, "tool_calls"), "data: [DONE]\n\n"))
    else:
        message = {"role": "assistant", "content": None, "tool_calls": [call("shell", arguments)]}
        upstream.behave(script(completion(message, "tool_calls"), content_type="application/json"))

    got = client.responses.create(model="auto", input="a sum", tools=[SHELL], stream=stream)
    item = (list(got)[-1].response if stream else got).output[0]
    upstream.behave({})
    output = {"type": "custom_tool_call_output", "call_id": item.call_id, "output": "a"}
    client.responses.create(
        model="auto",
        input=[{"role": "user", "content": "a sum"}, item, output],
        tools=[SHELL],
    )

    assert (item.type, item.name, item.input) == ("custom_tool_call", "shell", 'ls -l "a"')
    body = sent(upstream)
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    (replayed,) = body["messages"][1]["tool_calls"]
    assert json.loads(replayed["function"]["arguments"]) == {"input": 'ls -l "a"'}


def test_an_image_reaches_the_upstream(client, upstream):
    """
    As a part of a chat message; so does one that a tool returns, in a message of the user.
    """
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "a sum"}, image]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [image]},
    ]

    client.responses.create(model="auto", input=items)

    url = {"url": "data:image/png;base64,AA==", "detail": "high"}
    part = {"type": "image_url", "image_url": url}
    first, _, tool, attached = sent(upstream)["messages"]
    assert first["content"] == [{"type": "text", "text": "a sum"}, part]
    assert tool["content"] == "The output is in the next message."
    assert attached == {"role": "user", "content": [part]}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_is_cut_off_is_incomplete(client, upstream, stream):
    """
    The reason is that of this API.
    """
    upstream.behave({"*": {"finish_reason": "length"}})

    got = client.responses.create(model="auto", input="a sum", max_output_tokens=16, stream=stream)
    last = list(got)[-1] if stream else None
    response = last.response if stream else got

    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[0].status == "incomplete"
    assert sent(upstream)["max_tokens"] == 16
    assert last is None or last.type == "response.incomplete"


def test_a_stream_that_breaks_fails(client, upstream):
    """
    The response is told to have failed, with what there is of it; then the client raises.
    """
    upstream.behave({"*": {"way": "error", "message": "the GPU is gone"}})
    events = []

    with pytest.raises(openai.APIError, match="the GPU is gone"):
        events.extend(client.responses.create(model="auto", input="a sum", stream=True))

    failed = events[-1]
    assert failed.type == "response.failed"
    assert failed.response.error.code == "server_error"
    assert failed.response.output[0].status == "incomplete"
    assert failed.response.output_text == "The answer "


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_half_a_character_is_passed_on(site, upstream, stream):
    """
    An answer that was cut off may end in one; chat completions pass it on, too.
    """
    upstream.behave(
        script(completion({"content": "A\ud83d"}, "length"), content_type="application/json")
    )
    body = {"model": "auto", "input": "a sum", "stream": stream}

    got = site.post("/v1/responses", json=body)

    assert got.status_code == 200
    assert "A\\ud83d" in got.text


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        pytest.param(
            {"model": "gpt-9"}, openai.NotFoundError, "model: 'gpt-9' is not in", id="model"
        ),
        pytest.param(
            {"max_output_tokens": 10**9},
            openai.BadRequestError,
            "max_output_tokens: 1000000000 is more than",
            id="limit of the endpoint",
        ),
        pytest.param(
            {"extra_body": {"scope": {"alpha": 7}}},
            openai.BadRequestError,
            "scope.alpha: expected at most 1",
            id="our field",
        ),
        pytest.param(
            {"previous_response_id": "resp_1"},
            openai.BadRequestError,
            "previous_response_id: responses are not stored here; send the whole conversation",
            id="stored response",
        ),
    ],
)
def test_a_mistake_is_told_by_the_names_of_this_api(client, wrong, kind, message):
    """
    In OpenAI's format, so that its client raises the right error.
    """
    with pytest.raises(kind, match=message.replace(".", r"\.")) as refused:
        client.responses.create(**{"model": "auto", "input": "a sum"} | wrong)

    assert refused.value.param == message.partition(":")[0]


def test_what_cannot_be_done_is_named(client, upstream):
    """
    In a header: hosted tools and their calls are left out, the rest is answered.
    """
    items = [
        {"role": "user", "content": "a sum"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    ]

    raw = client.responses.with_raw_response.create(
        model="auto", input=items, tools=[{"type": "web_search"}, WEATHER]
    )

    assert raw.headers["x-scope-ignored"] == "tools[0] (web_search), input[1] (web_search_call)"
    assert len(sent(upstream)["tools"]) == 1


def test_a_stored_response_is_not_found(site):
    """
    The sentence names the paths that there are.
    """
    got = site.get("/v1/responses/resp_1")

    assert got.status_code == 404
    assert "/v1/responses" in got.json()["error"]["message"]
