"""A long transcript as coding agents send it to the Messages API."""

import hashlib
import json

import pytest

from tests.deployments.local import Site

KEY = "sk-of-the-agent"
KEYS = {"keys": [{"name": "agent", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]}
CACHE = {"cache_control": {"type": "ephemeral"}}
REMINDER = "<system-reminder>\nThe task list is empty.\n</system-reminder>"
N_TURNS = 10


def text(words, **more):
    return {"type": "text", "text": words, **more}


def tool(index):
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    return {"name": f"tool_{index}", "description": f"Tool {index}. " * 50, "input_schema": schema}


def turn(index, *, is_last):
    """A call of a tool after a thought, and its result; the last result is to be cached."""
    call = {"type": "tool_use", "id": f"toolu_{index}", "name": "tool_1", "input": {"path": "/a"}}
    thought = {"type": "thinking", "thinking": f"Step {index}.", "signature": f"sig{index}"}
    said = [thought, text(f"Step {index}."), call]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [text("line\n" * 40)]}
    result |= {"is_error": index == 3} | (CACHE if is_last else {})
    return [
        {"role": "assistant", "content": said},
        {"role": "user", "content": [result, *([text(REMINDER)] if index % 4 == 3 else [])]},
    ]


def request(n_turns):
    """The request after so many calls of tools; its marks for the cache move along."""
    asked = text("a sum", **({} if n_turns else CACHE))
    turns = [turn(index, is_last=index == n_turns - 1) for index in range(n_turns)]
    return {
        "model": "auto",
        "max_tokens": 32_000,
        "stream": True,
        "system": [text("You are an agent.", **CACHE), text("The environment. " * 99, **CACHE)],
        "messages": [{"role": "user", "content": [asked]}, *(m for pair in turns for m in pair)],
        "tools": [*map(tool, range(14)), tool(14) | CACHE],
        "metadata": {"user_id": "user_" + 64 * "a" + "_account__session_b"},
        "thinking": {"type": "enabled", "budget_tokens": 31_999},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "temperature": 1,
    }


@pytest.fixture(scope="module")
def client(tmp_path_factory, upstream):
    upstream.behave({})
    settings = {"base_url": upstream.base_url, "timeout_s": 5.0}
    upstreams = {"small": settings, "large": settings}
    with Site(tmp_path_factory.mktemp("site")).open(upstreams=upstreams, access=KEYS) as client:
        yield client


def post(client, body, path="/v1/messages?beta=true", key=KEY):
    headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    return client.post(path, json=body, headers=headers)


def test_every_request_of_a_tool_loop_is_answered(client, upstream):
    """
    Ten turns: the upstream gets one tool message for each result, and all thoughts.
    """
    bodies = [request(n_turns) for n_turns in range(N_TURNS + 1)]

    answers = [post(client, body) for body in bodies]

    assert [answer.status_code for answer in answers] == [200] * len(bodies)
    assert all(answer.text.endswith('{"type": "message_stop"}\n\n') for answer in answers)
    assert answers[-1].headers["x-scope-ignored"] == "context_management"
    sent = upstream.log()[-1]["body"]
    roles = [message["role"] for message in sent["messages"]]
    assert roles.count("assistant") == roles.count("tool") == N_TURNS
    assert roles.count("user") == 1 + 2  # two turns have a reminder
    assert len(sent["tools"]) == 15
    calls = [m["tool_calls"][0]["id"] for m in sent["messages"] if m["role"] == "assistant"]
    results = [m["tool_call_id"] for m in sent["messages"] if m["role"] == "tool"]
    assert calls == results == [f"toolu_{index}" for index in range(N_TURNS)]


def test_its_tokens_are_counted(client):
    """
    More with every turn, and at least a token for four bytes of text.
    """
    bodies = [request(n_turns) for n_turns in (0, 5, 10)]
    for body in bodies:
        del body["max_tokens"]

    got = [post(client, body, "/v1/messages/count_tokens") for body in bodies]

    counts = [answer.json()["input_tokens"] for answer in got]
    assert counts == sorted(set(counts))
    assert counts[-1] > len(json.dumps(bodies[-1])) / 4


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_wrong_key_is_an_authentication_error(client, path):
    """
    In Anthropic's format, before the body is read.
    """
    got = post(client, request(0), path, key="sk-wrong")

    assert got.status_code == 401
    assert got.json()["error"]["type"] == "authentication_error"


def test_a_key_in_the_header_of_anthropic_is_accepted(client):
    """
    As the official clients send it.
    """
    body = {"model": "auto", "messages": [{"role": "user", "content": "a sum"}]}

    got = client.post("/v1/messages/count_tokens", json=body, headers={"x-api-key": KEY})

    assert got.json() == {"input_tokens": 10}
