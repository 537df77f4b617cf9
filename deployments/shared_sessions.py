"""Sessions wherever they are known: each belongs to one replica of the Router, by its id."""

import asyncio
from typing import NamedTuple

from deployments.asks import Ask
from deployments.hops import HopError
from deployments.replica import Replica
from deployments.sessions import Held, Sessions, session_key

PATIENCE_S = 0.5
"""A session that cannot be asked for so long is taken for a new one."""


class Peers(NamedTuple):
    """The replicas of the Router, each asked by the session that belongs to it."""

    held: Replica
    """Takes a session id and a key, returns `Held` or None."""
    note: Replica
    """Takes a session id, a key and `Held`."""


class SharedSessions:
    """The sessions that this replica knows, and those it knows whom to ask for.

    Serve sends requests that carry ``x-session-id`` to one replica, by the hash of the id. An
    id in the body alone is only seen after a replica was chosen: then the one to which the
    header would have led is asked, and told.

    Parameters
    ----------
    local : Sessions
        May be exchanged at any time.
    peers : Peers
    """

    def __init__(self, local: Sessions, peers: Peers) -> None:
        self.local, self._peers = local, peers
        self._telling: set[asyncio.Task[None]] = set()

    async def held(self, client: str, ask: Ask) -> Held | None:
        """Return what an ask's session is on; None for a new one, or where nobody can tell.

        Without a session id, only a turn of tool results belongs to something: its own turn.
        """
        key, session_id = session_key(client, ask), ask.wish.session_id
        if key is None or (session_id is None and not ask.continues):
            return None
        if ask.elsewhere:
            try:
                asked = (session_id, key)
                held: Held | None = await self._peers.held.ask(
                    asked, within_s=PATIENCE_S, patience_s=PATIENCE_S
                )
            except HopError:
                held = None
            return held or self.local.get(key)
        return self.local.get(key)

    def note(self, client: str, ask: Ask, model: str) -> None:
        """Remember which model answers; nobody waits for it."""
        key = session_key(client, ask)
        if key is None:
            return
        held = Held(model, ask.needs.prompt_tokens)
        self.local.put(key, held)
        if ask.elsewhere:
            task = asyncio.create_task(self._tell((ask.wish.session_id, key, held)))
            self._telling.add(task)  # else nobody would hold it
            task.add_done_callback(self._telling.discard)

    async def _tell(self, told: tuple[object, ...]) -> None:
        try:
            await self._peers.note.ask(told, within_s=PATIENCE_S, patience_s=PATIENCE_S)
        except HopError:
            return  # the session may move once; no request fails for it
