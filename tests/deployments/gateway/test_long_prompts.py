"""Prompts above the limit: decided on their beginning, answered whole."""

import pytest

LIMIT = {"limits": {"max_prompt_chars": 20}}
LONG = "2 + 2? " + "x" * 100
CHAT = {"model": "auto", "messages": [{"role": "user", "content": LONG}]}


def test_a_long_chat_is_answered_and_said(local, upstream):
    """
    The decision reads the beginning, headers say so, and the model gets the whole prompt.
    """
    upstream.behave({})
    settings = {"base_url": upstream.base_url}
    upstreams = {"small": settings, "large": settings}
    with local.open(**LIMIT, upstreams=upstreams) as client:
        got = client.post("/v1/chat/completions", json=CHAT)

    assert (got.status_code, got.headers["x-scope-degraded"]) == (200, "long prompt")
    assert upstream.log()[-1]["prompt"] == LONG


@pytest.mark.parametrize(
    ("body", "degraded"),
    [
        pytest.param({"prompt": LONG}, ["long prompt"], id="prompt"),
        pytest.param({"prompt": "2 + 2?"}, [None], id="short prompt"),
        pytest.param({"prompts": ["2 + 2?", LONG]}, [None, "long prompt"], id="prompts"),
        pytest.param({"messages": CHAT["messages"]}, ["long prompt"], id="messages"),
    ],
)
def test_a_decision_says_which_prompt_was_cut(local, body, degraded):
    """
    Each of a batch for itself.
    """
    with local.open(**LIMIT) as client:
        got = client.post("/v1/route", json=body)

    decisions = got.json().get("decisions", [got.json()])
    assert [decision["degraded"] for decision in decisions] == degraded


def test_a_long_prompt_is_decided_as_its_beginning(local):
    """
    What follows the limit changes nothing.
    """
    with local.open(**LIMIT) as client:
        first, second = (
            client.post("/v1/route", json={"prompt": prompt}).json() for prompt in (LONG[:20], LONG)
        )

    assert first["candidates"] == second["candidates"]
