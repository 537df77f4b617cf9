"""Which model a session is on; forgotten when it is silent for long."""

import time
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TTLCache

from deployments.asks import RoutingRequest
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
