"""Pass server-sent events through, and read usage and errors out of them."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from scope.upstream import (
    CUT_CONNECTION,
    GARBAGE,
    UpstreamError,
    event_data,
    split_error_event,
    split_events,
)

USAGE = re.compile(rb'"usage"\s*:\s*\{')
ENDED = re.compile(rb'"finish_reason"\s*:\s*"')
DONE = re.compile(rb"^data:\s*\[DONE\]", re.MULTILINE)
MAX_EVENT_BYTES = 16 * 2**20

Usage = Mapping[str, Any]


class SSEPassthrough:
    """The events of one stream.

    An event is passed on as soon as it is complete, and is parsed only if it holds the usage. An
    incomplete event is held back: no client can read it, and after a cut it would corrupt the
    error event that follows.

    Parameters
    ----------
    show_usage : bool
        Whether the client requested the usage; otherwise the chunk with the usage and without
        choices, which the client does not expect, is left out.
    describe : callable
        Maps usage to the field ``scope`` that is set beside it where it is shown.
    redact : callable
        Removes the upstream's key from a text.
    """

    def __init__(
        self,
        *,
        show_usage: bool,
        describe: Callable[[Usage], dict[str, Any]],
        redact: Callable[[str], str],
    ) -> None:
        self._show_usage, self._describe, self._redact = show_usage, describe, redact
        self._rest = b""
        self.usage: Usage | None = None
        """The latest that the upstream reported."""
        self.done = False
        """Whether ``[DONE]`` was passed on: what follows does not matter."""
        self.error: UpstreamError | None = None
        """The error that the upstream reported; its event and all after it are left out."""
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the events for the client that are complete with this chunk."""
        data = self._rest + chunk
        length = max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3)
        if length < 3:
            length = 0
        events, self._rest = data[:length], data[length:]
        if len(self._rest) > MAX_EVENT_BYTES:
            raise UpstreamError(GARBAGE, "expected events, got megabytes without an empty line")
        events, error = split_error_event(events, self._redact)
        self.error = self.error or error
        self.done = self.done or DONE.search(events) is not None
        self._ended = self._ended or ENDED.search(events) is not None
        if not USAGE.search(events):
            return events
        return b"".join(map(self._with_usage, split_events(events)))

    def finish(self) -> bytes:
        """Return the rest for the client after the upstream's last chunk.

        Raises
        ------
        UpstreamError
            If the stream ended before the answer did.
        """
        if DONE.fullmatch(self._rest.strip()):
            return b"data: [DONE]\n\n"
        if not (self.done or self._ended):
            raise UpstreamError(CUT_CONNECTION, "the stream ended before the answer did")
        return b""

    def _with_usage(self, event: bytes) -> bytes:
        data = event_data(event)
        if data is None or not isinstance(data.get("usage"), dict):
            return event
        self.usage = data["usage"]
        if self._show_usage:
            described = {**data, "scope": self._describe(data["usage"])}
            return b"data: " + json.dumps(described).encode() + b"\n\n"
        return event if data.get("choices") else b""
