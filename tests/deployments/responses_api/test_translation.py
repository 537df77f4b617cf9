"""Whole answers: the official types take them strictly."""

import pytest
from openai.types.responses import Response

from deployments.responses_api.translation import ResponseTranslation

TOOLS = [
    {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True},
    {"type": "custom", "name": "shell"},
]
LOGPROB = {
    "token": "A",
    "logprob": -0.5,
    "bytes": None,
    "top_logprobs": [{"token": "B", "logprob": -1.0, "bytes": [66]}],
}
CITED = {"url": "https://a.example", "title": "a", "start_index": 0, "end_index": 1}


def response(message, finish_reason="stop", *, request=None, choice=None, **more):
    """The response to a message of a chat completion, checked by the official type."""
    body = {"model": "auto", "input": "x", "tools": TOOLS, **(request or {})}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, **(choice or {})}
    completion = {"id": "c", "model": "small", "choices": [choice], **more}
    return Response.model_validate(
        ResponseTranslation.from_json(body).answer(completion), strict=True
    )


def function(name, arguments):
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        pytest.param({"content": "A"}, ["message"], id="text"),
        pytest.param({"content": [{"type": "text", "text": "A"}]}, ["message"], id="parts"),
        pytest.param({"content": ""}, ["message"], id="nothing"),
        pytest.param({"content": None, "refusal": "No."}, ["message"], id="refusal"),
        pytest.param(
            {"content": "A", "reasoning": "B", "tool_calls": [function("look", "{}")]},
            ["reasoning", "message", "function_call"],
            id="all of it",
        ),
        pytest.param(
            {"content": None, "tool_calls": [function("shell", '{"input": "ls"}')]},
            ["custom_tool_call"],
            id="custom tool",
        ),
        pytest.param(
            {"content": None, "tool_calls": [{"function": {"name": "a"}}, {"function": {}}]},
            ["function_call", "function_call"],
            id="calls without ids",
        ),
    ],
)
def test_items_of_an_answer(message, kinds):
    """
    In the order reasoning, text, calls.
    """
    got = response(message)

    assert [item.type for item in got.output] == kinds
    assert got.status == "completed"
    assert len({item.id for item in got.output}) == len(kinds)


@pytest.mark.parametrize(
    ("finish_reason", "status", "reason"),
    [
        pytest.param("stop", "completed", None, id="stop"),
        pytest.param("tool_calls", "completed", None, id="calls"),
        pytest.param("length", "incomplete", "max_output_tokens", id="length"),
        pytest.param("content_filter", "incomplete", "content_filter", id="filter"),
    ],
)
def test_the_end_of_an_answer(finish_reason, status, reason):
    """
    Cut-off answers are incomplete, and say why.
    """
    got = response({"content": "A"}, finish_reason)

    assert got.status == got.output[0].status == status
    assert (got.incomplete_details and got.incomplete_details.reason) == reason


def test_arguments_that_are_an_object_are_told_as_text():
    """
    As this API has them.
    """
    (call,) = response({"content": None, "tool_calls": [function("look", {"a": 1})]}).output

    assert call.arguments == '{"a": 1}'


def test_refusals_are_parts_of_their_own():
    """
    Clients tell them from text.
    """
    (message,) = response({"content": "Well.", "refusal": "No."}).output

    assert [part.type for part in message.content] == ["output_text", "refusal"]
    assert message.content[1].refusal == "No."


def test_citations_and_log_probabilities_belong_to_the_text():
    """
    In the flat shape of this API; a token without bytes gets those of its text.
    """
    message = {"content": "A", "annotations": [{"type": "url_citation", "url_citation": CITED}]}

    got = response(message, choice={"logprobs": {"content": [LOGPROB]}})

    (part,) = got.output[0].content
    assert part.annotations[0].url == "https://a.example"
    assert part.logprobs[0].bytes == [65]
    assert part.logprobs[0].top_logprobs[0].token == "B"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(None, None, id="unknown"),
        pytest.param({"prompt_tokens": 5}, None, id="half of it unknown"),
        pytest.param({"prompt_tokens": 5, "completion_tokens": 2}, (5, 0, 2, 0, 7), id="plain"),
        pytest.param(
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            (5, 4, 2, 1, 7),
            id="with details",
        ),
    ],
)
def test_tokens(usage, expected):
    """
    Unknown counts are null, not 0.
    """
    got = response({"content": "A"}, usage=usage).usage

    assert expected == (
        got
        and (
            got.input_tokens,
            got.input_tokens_details.cached_tokens,
            got.output_tokens,
            got.output_tokens_details.reasoning_tokens,
            got.total_tokens,
        )
    )


def test_the_request_is_repeated():
    """
    As the API does; nothing is stored.
    """
    request = {
        "instructions": "Be brief.",
        "temperature": 0.5,
        "max_output_tokens": 99,
        "tool_choice": {"type": "function", "name": "look"},
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "metadata": {"a": "b"},
        "truncation": "auto",
        "user": "u",
        "store": True,
        "parallel_tool_calls": False,
    }

    got = response({"content": "A"}, request=request).to_dict()

    assert {name: got[name] for name in request if name != "store"} == {
        name: value for name, value in request.items() if name != "store"
    }
    assert got["store"] is False
    assert got["previous_response_id"] is None
    assert got["tools"] == TOOLS


@pytest.mark.parametrize(
    "details",
    [
        pytest.param(
            [{"type": "reasoning.text", "text": "A", "signature": "s", "index": 0}], id="signature"
        ),
        pytest.param([{"type": "reasoning.encrypted", "data": "x", "index": 0}], id="redacted"),
        pytest.param(
            [
                {"type": "reasoning.summary", "summary": "A", "index": 0},
                {"type": "reasoning.encrypted", "data": "x", "id": "rs_1", "index": 1},
                {"type": "reasoning.text", "text": "B", "signature": "t", "index": 2},
            ],
            id="several",
        ),
    ],
)
def test_reasoning_comes_back_as_it_went(details):
    """
    Signatures and encrypted data travel through the client.
    """
    got = response({"content": "A", "reasoning_details": details, "reasoning": "again"})
    items = [item.to_dict() for item in got.output]

    back = ResponseTranslation.from_json({"model": "auto", "input": items}).chat["messages"]

    summaries = [detail for detail in details if detail["type"] == "reasoning.summary"]
    expected = [
        {"type": "reasoning.text", "text": one["summary"], "index": one["index"]}
        if one in summaries
        else one
        for one in details
    ]
    assert back[0]["reasoning_details"] == expected
    assert back[0]["content"] == "A"


def test_encrypted_reasoning_of_another_provider_is_passed_on():
    """
    A conversation may have begun elsewhere.
    """
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-x"}
    items = [item, {"role": "assistant", "content": "A"}]

    (message,) = ResponseTranslation.from_json({"model": "auto", "input": items}).chat["messages"]

    assert message["reasoning_details"] == [
        {"type": "reasoning.encrypted", "data": "gAAAA-x", "index": 0}
    ]
