"""Chats of agent harnesses: what they add to user messages changes no decision."""

import pytest

REMINDER = "<system-reminder>\nMind the law.\n</system-reminder>"
QUESTION = {"role": "user", "content": "a sum"}
LOOP = [
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
    {"role": "tool", "tool_call_id": "1", "content": "42"},
]


def routed(client, messages, **scope):
    return client.post("/v1/route", json={"messages": messages, "scope": scope}).json()


def test_a_reminder_changes_no_decision(local):
    """
    The prediction is the one that is cached for the same question without it.
    """
    with local.open() as client:
        plain = routed(client, [QUESTION])
        wrapped = routed(client, [{"role": "user", "content": f"{REMINDER}\na sum"}])

    assert (plain["source"], wrapped["source"]) == ("anchors", "cache")
    assert (wrapped["model"], wrapped["reason"]) == (plain["model"], plain["reason"])
    assert wrapped["candidates"] == plain["candidates"]


@pytest.mark.parametrize("options", [{}, {"session_id": "s"}], ids=["turn", "session"])
@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([QUESTION, *LOOP], id="results"),
        pytest.param([QUESTION, *LOOP, {"role": "user", "content": REMINDER}], id="behind"),
        pytest.param(
            [{"role": "user", "content": f"{REMINDER}\na sum"}, *LOOP], id="in the question"
        ),
        pytest.param([{"role": "user", "content": REMINDER}, QUESTION, *LOOP], id="before"),
    ],
)
def test_a_tool_loop_stays_on_its_model(local, messages, options):
    """
    Wherever a reminder appears, and with or without a session id.
    """
    with local.open() as client:
        first = routed(client, [QUESTION], alpha=1.0, **options)
        got = routed(client, messages, alpha=0.0, **options)
        fresh = routed(client, [{"role": "user", "content": "b sum"}], alpha=0.0)

    assert (first["model"], fresh["model"]) == ("large", "small")
    assert (got["model"], got["sticky"]) == ("large", True)
