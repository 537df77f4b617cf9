"""Write the events of a stream, numbered."""

import json
from collections.abc import Callable
from json.encoder import encode_basestring_ascii

_encode = json.JSONEncoder().encode  # in ASCII: a truncated answer may end in half a character


class EventWriter:
    """Numbers events and writes them as server-sent ones.

    Parameters
    ----------
    is_silent : bool, default=False
        Whether none is written, as in a whole answer; may change.
    """

    def __init__(self, *, is_silent: bool = False) -> None:
        self.is_silent = is_silent
        self._n_events, self._events = 0, list[str]()

    def write(self, kind: str, **fields: object) -> None:
        """Write an event of a type."""
        if self.is_silent:
            return
        event = {"type": kind, "sequence_number": self._n_events, **fields}
        self._events.append(f"event: {kind}\ndata: {_encode(event)}\n\n")
        self._n_events += 1

    def pieces(self, kind: str, **fields: object) -> Callable[[str], None]:
        """Return a function that writes an event with a piece of text as its ``delta``.

        Nearly all events of a stream are these: what they have in common is encoded once.
        """
        if self.is_silent:
            return _no_piece
        head = f"event: {kind}\ndata: {_encode({'type': kind, **fields})[:-1]}"

        def write_piece(text: str) -> None:
            number, delta = self._n_events, encode_basestring_ascii(text)
            event = f'{head}, "sequence_number": {number}, "delta": {delta}}}\n\n'
            self._events.append(event)
            self._n_events = number + 1

        return write_piece

    def take(self) -> bytes:
        """Return what was written since the last time."""
        events, self._events = "".join(self._events), []
        return events.encode()

    @property
    def has_begun(self) -> bool:
        """Whether an event was written."""
        return self._n_events > 0


def _no_piece(text: str) -> None:
    """Write nothing, as a whole answer has no events."""
