import asyncio

import pytest

from deployments.protocol.remote_call import RemoteCallError
from deployments.requests.requirements import Requirements
from deployments.requests.routing_request import RoutingRequest
from deployments.routing.sessions import (
    LocalSessions,
    SessionPeers,
    SessionState,
    SessionStore,
    session_key,
)
from deployments.settings.preferences import RequestOptions
from deployments.settings.settings import SessionSettings


class Clock:
    """Time that stands until it is told to go on."""

    now = 0.0

    def __call__(self):
        return self.now


def ask(session=None, *, turn="t", continues=False, tokens=10):
    return RoutingRequest(
        "2+2?", RequestOptions(session_id=session), Requirements(tokens), turn, continues
    )


def test_clients_do_not_share_sessions():
    """
    Two of them may choose the same id.
    """
    assert session_key("ann", ask("s")) != session_key("bob", ask("s"))


def test_a_session_is_not_a_turn_of_its_name():
    """
    Nor the other way round.
    """
    assert session_key("ann", ask("t")) != session_key("ann", ask(turn="t"))


def test_a_bare_prompt_belongs_to_nothing():
    """
    It has no conversation.
    """
    assert session_key("ann", ask(turn=None)) is None


def test_a_silent_session_is_forgotten():
    """
    Its time starts anew whenever it speaks.
    """
    clock = Clock()
    sessions, key = LocalSessions(SessionSettings(ttl_s=60.0), clock), ("ann", "s")
    sessions.put(key, SessionState("large", 10))
    clock.now = 59.0
    sessions.put(key, SessionState("large", 10))
    clock.now = 118.0

    assert sessions.get(key)
    clock.now = 120.0
    assert sessions.get(key) is None


def test_sessions_are_bounded():
    """
    The one that is silent for longest makes room.
    """
    sessions = LocalSessions(SessionSettings(max_sessions=2))
    for name in ("first", "second", "third"):
        sessions.put(("ann", name), SessionState("large", 10))

    assert sessions.get(("ann", "first")) is None
    assert sessions.get(("ann", "third"))
    assert len(sessions) == 2


def test_other_settings_keep_what_is_known():
    """
    As far as there is room.
    """
    sessions = LocalSessions(SessionSettings())
    sessions.put(("ann", "s"), SessionState("large", 10))

    assert sessions.with_settings(SessionSettings()) is sessions
    assert sessions.with_settings(SessionSettings(ttl_s=60.0)).get(("ann", "s")) == SessionState(
        "large", 10
    )


class Home:
    """The replica that a session belongs to, reached over a hop that may fail."""

    def __init__(self):
        self.sessions, self.failing = LocalSessions(SessionSettings()), False

    async def call(self, argument, *, timeout_s, slow_call_s):
        if self.failing:
            raise RemoteCallError("session", "late")
        _, key, *held = argument
        return self.sessions.put(key, *held) if held else self.sessions.get(key)


def said(*turns, failing=False):
    """What is known at each turn; a turn is an ask, and each is answered by large."""
    home = Home()
    home.failing = failing

    async def talk():
        shared = SessionStore(LocalSessions(SessionSettings()), SessionPeers(home, home))
        known = []
        for turn in turns:
            known.append(await shared.get("ann", turn))
            shared.put("ann", turn, "large")
            await asyncio.sleep(0)
        return known

    return asyncio.run(talk()), len(home.sessions)


def by(header, session="s", **more):
    """An ask of a session that a header names, or none."""
    return ask(session, **more).with_session(header)


@pytest.mark.parametrize(
    ("header", "at_home"),
    [
        pytest.param("s", 0, id="the header led here"),
        pytest.param(None, 1, id="no header: asked of whom it belongs to"),
        pytest.param("other", 1, id="the header of another"),
    ],
)
def test_a_session_is_found_again(header, at_home):
    """
    With its model and what the upstream has cached of it, whoever it belongs to.
    """
    known, told = said(by(header, tokens=500), by(header, turn="next"))

    assert known == [None, SessionState("large", 500)]
    assert told == at_home


def test_a_session_whose_replica_is_gone_is_what_is_known_here():
    """
    No request fails for it.
    """
    known, _ = said(by(None), by(None), failing=True)

    assert known == [None, SessionState("large", 10)]


def test_tool_results_find_the_turn_they_belong_to():
    """
    Without a session id; a new question finds nothing.
    """
    known, _ = said(ask(), ask(continues=True), ask())

    assert known == [None, SessionState("large", 10), None]
