"""Sessions: each belongs to one replica of the Router, by the hash of its id."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TTLCache

from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.requests import RoutingRequest
from deployments.settings import SessionSettings

SessionKey = tuple[str, str]
"""Name of the API key, and the session or turn."""


class SessionState(NamedTuple):
    """The model of a session."""

    model: str
    prompt_tokens: int
    """Prompt tokens of its last request, which the upstream may have cached."""


class LocalSessions:
    """The sessions of one replica.

    Parameters
    ----------
    settings : SessionSettings
    clock : callable, optional
        Monotonic seconds.
    """

    def __init__(
        self, settings: SessionSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._sessions: TTLCache[SessionKey, SessionState] = TTLCache(
            settings.max_sessions, settings.ttl_s, timer=clock
        )

    def __len__(self) -> int:
        return len(self._sessions)

    def with_settings(self, settings: SessionSettings) -> "LocalSessions":
        """Return the same sessions under other settings; if these differ, their TTL restarts."""
        if (settings.max_sessions, settings.ttl_s) == (self._sessions.maxsize, self._sessions.ttl):
            return self
        copy = LocalSessions(settings, self._clock)
        copy._sessions.update(self._sessions)
        return copy

    def get(self, key: SessionKey) -> SessionState | None:
        """Return the state of a session; None for a new one."""
        return self._sessions.get(key)

    def put(self, key: SessionKey, state: SessionState) -> None:
        """Store the state of a session; its TTL restarts."""
        self._sessions[key] = state


def session_key(client: str, request: RoutingRequest) -> SessionKey | None:
    """Return the key of a request: its session, else its turn; None if it has neither.

    Parameters
    ----------
    client : str
        Name of the API key: two clients may use the same session id.
    request : RoutingRequest
    """
    if request.options.session_id is not None:
        return client, f"session {request.options.session_id}"
    return None if request.turn is None else (client, f"turn {request.turn}")


def session_mark(client: str, request: RoutingRequest) -> str | None:
    """Return what the decision log calls the session of a request: 16 digits of a hash.

    It stands for the API key's name and the session id, without an id for that of the
    conversation, which is known by its first human turn; None for a prompt without an id.
    """
    session_id, conversation = request.options.session_id, request.conversation
    if session_id is None and conversation is None:
        return None
    name = f"turn {conversation}" if session_id is None else f"session {session_id}"
    return hashlib.sha256(json.dumps([client, name]).encode()).hexdigest()[:16]


TIMEOUT_S = 0.5
"""Time limit of a call for a session; after it the session counts as new."""


class SessionPeers(NamedTuple):
    """The replicas of the Router, addressed by session id."""

    get: RemoteMethod
    """Takes a session id and a key, returns `SessionState` or None."""
    put: RemoteMethod
    """Takes a session id, a key and `SessionState`."""


class SessionStore:
    """The sessions of this replica, and access to those of the other replicas.

    Serve sends requests with the header ``x-session-id`` to one replica, by the hash of the id.
    An id in the body alone is only seen after the replica is chosen: the state is then read from
    and written to the replica that the header would have selected.

    Parameters
    ----------
    local : LocalSessions
        May be replaced at any time.
    peers : SessionPeers
    """

    def __init__(self, local: LocalSessions, peers: SessionPeers) -> None:
        self.local, self._peers = local, peers
        self._writes: set[asyncio.Task[None]] = set()

    async def get(self, client: str, request: RoutingRequest) -> SessionState | None:
        """Return the state of a request's session; None if it is new or its replica fails.

        Without a session id only a turn of tool results has a state: that of its own turn.
        """
        key, session_id = session_key(client, request), request.options.session_id
        if key is None or (session_id is None and not request.is_tool_turn):
            return None
        if request.session_is_remote:
            try:
                state: SessionState | None = await self._peers.get.call(
                    (session_id, key), timeout_s=TIMEOUT_S, slow_call_s=TIMEOUT_S
                )
            except RemoteCallError:
                state = None
            return state or self.local.get(key)
        return self.local.get(key)

    def put(self, client: str, request: RoutingRequest, model: str) -> None:
        """Store the model that answers, without waiting for another replica."""
        key = session_key(client, request)
        if key is None:
            return
        state = SessionState(model, request.needs.prompt_tokens)
        self.local.put(key, state)
        if request.session_is_remote:
            task = asyncio.create_task(self._replicate((request.options.session_id, key, state)))
            self._writes.add(task)  # keeps a reference, as asyncio requires
            task.add_done_callback(self._writes.discard)

    async def _replicate(self, message: tuple[object, ...]) -> None:
        try:
            await self._peers.put.call(message, timeout_s=TIMEOUT_S, slow_call_s=TIMEOUT_S)
        except RemoteCallError:
            return  # the session may switch models once; no request fails
