"""What a model has shown by refusing requests."""

import time
from collections.abc import Callable, Container, MutableMapping

from cachetools import TTLCache

from scope.upstream import OTHER_NAMES, Refusal

KNOWN_S = 3600.0
"""Facts are forgotten after this long: a server may have been started with other options."""

MAX_FACTS = 256
"""Requests name the fields that are refused, so that their number needs a limit."""

HINTS = frozenset(
    {
        "prompt_cache_key",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "top_k",
        "user",
        "verbosity",
    }
)
"""Fields of a translated request that an upstream may do without: agents set them in every request
for their own provider, and an answer without them is still one."""

_WINDOW = "context window"


class LearnedLimits:
    """Limits of one model that its refusals have named, each for `KNOWN_S`.

    Parameters
    ----------
    now_s : callable, optional
        A monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._lacks: MutableMapping[str, None] = TTLCache(MAX_FACTS, KNOWN_S, now_s)
        self._rename: MutableMapping[str, str] = TTLCache(MAX_FACTS, KNOWN_S, now_s)
        self._unknown_hints: MutableMapping[str, None] = TTLCache(MAX_FACTS, KNOWN_S, now_s)
        self._window: MutableMapping[str, int] = TTLCache(1, KNOWN_S, now_s)

    @property
    def window_tokens(self) -> int | None:
        """The smallest context window that it named."""
        return self._window.get(_WINDOW)

    @property
    def lacks(self) -> frozenset[str]:
        """Capabilities that it refused, and fields that it does not know."""
        return frozenset(self._lacks)

    @property
    def rename(self) -> dict[str, str]:
        """Fields that it knows by another name."""
        return dict(self._rename)

    @property
    def unknown_hints(self) -> frozenset[str]:
        """Fields that it does not know, and that requests do without."""
        return frozenset(self._unknown_hints)

    def note(self, refusal: Refusal | None, hints: Container[str] = ()) -> bool:
        """Learn from a refusal; returns whether the same request can now be sent in other words.

        Parameters
        ----------
        refusal : Refusal or None
        hints : container of str, optional
            Fields that the request does without where the model does not know them.
        """
        if refusal is None:
            return False
        if refusal.kind == "parameter" and refusal.subject and refusal.subject in hints:
            is_news = refusal.subject not in self._unknown_hints
            self._unknown_hints[refusal.subject] = None
            return is_news
        if refusal.window_tokens is not None:
            known = self.window_tokens or refusal.window_tokens
            self._window[_WINDOW] = min(known, refusal.window_tokens)
        if refusal.subject is None:
            return False
        other = OTHER_NAMES.get(refusal.subject)
        if other is None or other in self._rename:
            self._lacks[refusal.subject] = None
            return False
        is_new = refusal.subject not in self._rename
        self._rename[refusal.subject] = other
        return is_new
