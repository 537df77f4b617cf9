"""Chats that give nothing to route on: no message of a user has text."""

import pytest

from tests.deployments.gateway.test_strategies import PROMPT, folders, site

__all__ = ["folders", "site"]

SYSTEM = {"role": "system", "content": "You are a tired clerk. " * 20}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = [
    pytest.param([SYSTEM], id="system only"),
    pytest.param([{"role": "developer", "content": "Be brief."}], id="developer only"),
    pytest.param([{"role": "assistant", "content": "Once upon"}], id="assistant only"),
    pytest.param([{"role": "user", "content": "  "}], id="only spaces"),
    pytest.param([{"role": "user", "content": None}], id="null"),
    pytest.param(
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        id="image only",
    ),
    pytest.param(
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}],
        id="audio only",
    ),
    pytest.param(
        [{"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}], id="file only"
    ),
    pytest.param(
        [
            SYSTEM,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "1", "content": "42"},
        ],
        id="a tool loop without a user",
    ),
]


@pytest.mark.parametrize("messages", MESSAGES)
def test_it_is_answered_by_the_averages(local, upstream, messages):
    """
    No replica is asked; headers and decision say why. Over both kinds small is right half the time.
    """
    upstream.behave({})
    settings = {"base_url": upstream.base_url}
    upstreams = {"small": settings, "large": settings}
    with local.open(policy={"min_quality": 0.9}, upstreams=upstreams) as client:
        got = client.post("/v1/chat/completions", json={"model": "auto", "messages": messages})

    assert (got.status_code, got.json()["model"]) == (200, "large")
    assert (got.headers["x-scope-source"], got.headers["x-scope-degraded"]) == (
        "means",
        "no user text",
    )
    assert local.embedder.calls == local.predictor.calls == []


@pytest.mark.parametrize("messages", MESSAGES[:2])
def test_it_is_answered_by_the_default_model(local, messages):
    """
    Where the operator has named one and the request allows it.
    """
    with local.open(policy={"alpha": 0.0}, default_model="large") as client:
        got = client.post("/v1/route", json={"messages": messages}).json()
        denied = client.post(
            "/v1/route", json={"messages": messages, "scope": {"denied_models": ["large"]}}
        ).json()

    assert (got["model"], got["source"], got["degraded"]) == ("large", "default", "no user text")
    assert got["reason"] == "no prediction (no user text); large is the default model"
    assert (denied["model"], denied["source"]) == ("small", "means")


def test_a_long_system_prompt_costs_more(local):
    """
    The length of all messages tells what the models cost.
    """
    with local.open() as client:
        short, long = (
            client.post("/v1/route", json={"messages": [SYSTEM | {"content": text}]}).json()
            for text in ("Hi.", "Hi. " * 1_000)
        )

    assert long["candidates"][0]["prompt_tokens"] > short["candidates"][0]["prompt_tokens"]


def test_a_learned_router_is_not_asked(site):
    """
    The bank's averages decide, and the reason is said once.
    """
    with site.open() as client:
        body = {"messages": [SYSTEM], "scope": {"strategy": "bestroute"}}
        got = client.post("/v1/route", json=body).json()
        asked = client.post("/v1/route", json=PROMPT | {"scope": {"strategy": "bestroute"}}).json()

    assert (got["source"], got["degraded"], got["strategy"]) == ("means", "no user text", "prehoc")
    assert asked["strategy"] == "bestroute"
    assert len(site.learned.calls) == 1
