"""Sessions wherever they are known: each belongs to one replica of the Router, by its id."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TTLCache

from deployments.protocol.remote_call import RemoteCallError, RemoteMethod
from deployments.requests import RoutingRequest
from deployments.settings import SessionSettings

SessionKey = tuple[str, str]
"""Client, and session or turn."""


class SessionState(NamedTuple):
    """What a session is on."""

    model: str
    prompt_tokens: int
    """Of its last request: what the upstream may have cached."""


class LocalSessions:
    """The sessions of one replica.

    Parameters
    ----------
    settings : SessionSettings
    clock : callable, optional
        Seconds that only grow.
    """

    def __init__(
        self, settings: SessionSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._held: TTLCache[SessionKey, SessionState] = TTLCache(
            settings.max_sessions, settings.ttl_s, timer=clock
        )

    def __len__(self) -> int:
        return len(self._held)

    def with_settings(self, settings: SessionSettings) -> "LocalSessions":
        """Return the same sessions under other settings; their time starts anew if it changes."""
        if (settings.max_sessions, settings.ttl_s) == (self._held.maxsize, self._held.ttl):
            return self
        renewed = LocalSessions(settings, self._clock)
        renewed._held.update(self._held)
        return renewed

    def get(self, key: SessionKey) -> SessionState | None:
        """Return what a session is on; None for a new one."""
        return self._held.get(key)

    def put(self, key: SessionKey, held: SessionState) -> None:
        """Remember what a session is on; its time starts anew."""
        self._held[key] = held


def session_key(client: str, ask: RoutingRequest) -> SessionKey | None:
    """Return what an ask belongs to: its session, else its turn; None where there is neither.

    Parameters
    ----------
    client : str
        Name of the API key: two clients may use the same session id.
    ask : RoutingRequest
    """
    if ask.options.session_id is not None:
        return client, f"session {ask.options.session_id}"
    return None if ask.turn is None else (client, f"turn {ask.turn}")


PATIENCE_S = 0.5
"""A session that cannot be asked for so long is taken for a new one."""


class SessionPeers(NamedTuple):
    """The replicas of the Router, each asked by the session that belongs to it."""

    get: RemoteMethod
    """Takes a session id and a key, returns `SessionState` or None."""
    put: RemoteMethod
    """Takes a session id, a key and `SessionState`."""


class SessionStore:
    """The sessions that this replica knows, and those it knows whom to ask for.

    Serve sends requests that carry ``x-session-id`` to one replica, by the hash of the id. An
    id in the body alone is only seen after a replica was chosen: then the one to which the
    header would have led is asked, and told.

    Parameters
    ----------
    local : LocalSessions
        May be exchanged at any time.
    peers : SessionPeers
    """

    def __init__(self, local: LocalSessions, peers: SessionPeers) -> None:
        self.local, self._peers = local, peers
        self._telling: set[asyncio.Task[None]] = set()

    async def get(self, client: str, ask: RoutingRequest) -> SessionState | None:
        """Return what an ask's session is on; None for a new one, or where nobody can tell.

        Without a session id, only a turn of tool results belongs to something: its own turn.
        """
        key, session_id = session_key(client, ask), ask.options.session_id
        if key is None or (session_id is None and not ask.is_tool_turn):
            return None
        if ask.session_is_remote:
            try:
                asked = (session_id, key)
                held: SessionState | None = await self._peers.get.call(
                    asked, timeout_s=PATIENCE_S, slow_call_s=PATIENCE_S
                )
            except RemoteCallError:
                held = None
            return held or self.local.get(key)
        return self.local.get(key)

    def put(self, client: str, ask: RoutingRequest, model: str) -> None:
        """Remember which model answers; nobody waits for it."""
        key = session_key(client, ask)
        if key is None:
            return
        held = SessionState(model, ask.needs.prompt_tokens)
        self.local.put(key, held)
        if ask.session_is_remote:
            task = asyncio.create_task(self._replicate((ask.options.session_id, key, held)))
            self._telling.add(task)  # else nobody would hold it
            task.add_done_callback(self._telling.discard)

    async def _replicate(self, told: tuple[object, ...]) -> None:
        try:
            await self._peers.put.call(told, timeout_s=PATIENCE_S, slow_call_s=PATIENCE_S)
        except RemoteCallError:
            return  # the session may move once; no request fails for it
