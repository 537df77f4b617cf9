import asyncio
from dataclasses import replace

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
    session_mark,
)
from deployments.settings.preferences import RequestOptions
from deployments.settings.settings import SessionSettings


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def request(session=None, *, turn="t", is_tool_turn=False, tokens=10):
    return RoutingRequest(
        "2+2?",
        RequestOptions(session_id=session),
        Requirements(tokens),
        turn,
        is_tool_turn=is_tool_turn,
    )


def test_clients_do_not_share_sessions():
    """
    Two clients may choose the same id.
    """
    assert session_key("ann", request("s")) != session_key("bob", request("s"))


def test_a_session_and_a_turn_of_the_same_name_differ():
    """
    Their keys have different prefixes.
    """
    assert session_key("ann", request("t")) != session_key("ann", request(turn="t"))


def test_a_single_prompt_has_no_key():
    """
    It belongs to no conversation.
    """
    assert session_key("ann", request(turn=None)) is None


@pytest.mark.parametrize(
    ("client", "other", "same"),
    [
        pytest.param("ann", request("s"), True, id="another turn of the session"),
        pytest.param("ann", replace(request("s"), conversation="d"), True, id="the id goes first"),
        pytest.param("ann", request("t"), False, id="another session"),
        pytest.param("bob", request("s"), False, id="another client"),
        pytest.param("ann", replace(request(), conversation="s"), False, id="a conversation"),
    ],
)
def test_the_mark_of_a_session(client, other, same):
    """
    A hash: the id itself may tell who the user is.
    """
    mark = session_mark("ann", request("s"))

    assert (session_mark(client, other) == mark) is same
    assert len(mark) == 16


def test_a_conversation_without_an_id_has_a_mark_of_its_own():
    """
    A prompt alone has none.
    """
    assert session_mark("ann", replace(request(), conversation="c")) is not None
    assert session_mark("ann", request()) is None


def test_an_idle_session_expires():
    """
    Each request restarts its TTL.
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
    The longest idle session is removed.
    """
    sessions = LocalSessions(SessionSettings(max_sessions=2))
    for name in ("first", "second", "third"):
        sessions.put(("ann", name), SessionState("large", 10))

    assert sessions.get(("ann", "first")) is None
    assert sessions.get(("ann", "third"))
    assert len(sessions) == 2


def test_a_change_of_settings_keeps_the_sessions():
    """
    As far as they fit.
    """
    sessions = LocalSessions(SessionSettings())
    sessions.put(("ann", "s"), SessionState("large", 10))

    assert sessions.with_settings(SessionSettings()) is sessions
    assert sessions.with_settings(SessionSettings(ttl_s=60.0)).get(("ann", "s")) == SessionState(
        "large", 10
    )


class RemoteReplica:
    """The replica that a session belongs to, reached by a remote call that may fail."""

    def __init__(self):
        self.sessions, self.failing = LocalSessions(SessionSettings()), False

    async def call(self, argument, *, timeout_s, slow_call_s):
        if self.failing:
            raise RemoteCallError("session", "late")
        _, key, *state = argument
        return self.sessions.put(key, *state) if state else self.sessions.get(key)


def known_at_each(*turns, failing=False):
    """The state at each request, and the number of remote sessions; large answers each."""
    remote = RemoteReplica()
    remote.failing = failing

    async def run():
        store = SessionStore(LocalSessions(SessionSettings()), SessionPeers(remote, remote))
        known = []
        for turn in turns:
            known.append(await store.get("ann", turn))
            store.put("ann", turn, "large")
            await asyncio.sleep(0)
        return known

    return asyncio.run(run()), len(remote.sessions)


def by(header, session="s", **more):
    """A request of a session, with a header or none."""
    return request(session, **more).with_session(header)


@pytest.mark.parametrize(
    ("header", "n_remote"),
    [
        pytest.param("s", 0, id="the header selects this replica"),
        pytest.param(None, 1, id="no header: read from its own replica"),
        pytest.param("other", 1, id="the header of another session"),
    ],
)
def test_the_state_of_a_session_is_found(header, n_remote):
    """
    With its model and prompt tokens, on any replica.
    """
    known, stored = known_at_each(by(header, tokens=500), by(header, turn="next"))

    assert known == [None, SessionState("large", 500)]
    assert stored == n_remote


def test_if_the_replica_of_a_session_fails_the_local_state_counts():
    """
    No request fails for it.
    """
    known, _ = known_at_each(by(None), by(None), failing=True)

    assert known == [None, SessionState("large", 10)]


def test_tool_results_find_the_state_of_their_turn():
    """
    Without a session id; a new question finds none.
    """
    known, _ = known_at_each(request(), request(is_tool_turn=True), request())

    assert known == [None, SessionState("large", 10), None]
