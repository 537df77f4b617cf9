"""Sessions wherever they are known: each belongs to one replica of the Router, by its id."""

import asyncio
from typing import NamedTuple

from deployments.asks import RoutingRequest
from deployments.hops import RemoteCallError
from deployments.replica import RemoteMethod
from deployments.sessions import LocalSessions, SessionState, session_key

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
