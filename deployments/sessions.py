"""Which model a session is on; forgotten when it is silent for long."""

import time
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TTLCache

from deployments.asks import Ask
from deployments.settings import Stickiness


class Held(NamedTuple):
    """What a session is on."""

    model: str
    prompt_tokens: int
    """Of its last request: what the upstream may have cached."""


class Sessions:
    """The sessions of one replica.

    Parameters
    ----------
    settings : Stickiness
    clock : callable, optional
        Seconds that only grow.
    """

    def __init__(self, settings: Stickiness, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: TTLCache[tuple[str, str], Held] = TTLCache(
            settings.max_sessions, settings.ttl_s, timer=clock
        )

    def __len__(self) -> int:
        return len(self._held)

    def under(self, settings: Stickiness) -> "Sessions":
        """Return the same sessions under other settings; their time starts anew if it changes."""
        if (settings.max_sessions, settings.ttl_s) == (self._held.maxsize, self._held.ttl):
            return self
        renewed = Sessions(settings, self._clock)
        renewed._held.update(self._held)
        return renewed

    def held(self, client: str, ask: Ask) -> Held | None:
        """Return what an ask's session is on; None for a new one.

        Without a session id, only a turn of tool results belongs to something: its own turn.

        Parameters
        ----------
        client : str
            Name of the API key: two clients may use the same session id.
        ask : Ask
        """
        if ask.wish.session_id is None and not ask.continues:
            return None
        key = _key(client, ask)
        return None if key is None else self._held.get(key)

    def note(self, client: str, ask: Ask, model: str) -> None:
        """Remember which model answers; the session's time starts anew."""
        key = _key(client, ask)
        if key is not None:
            self._held[key] = Held(model, ask.needs.prompt_tokens)


def _key(client: str, ask: Ask) -> tuple[str, str] | None:
    if ask.wish.session_id is not None:
        return client, f"session {ask.wish.session_id}"
    return None if ask.turn is None else (client, f"turn {ask.turn}")
