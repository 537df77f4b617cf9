"""Server-sent events on their way through: whole ones go on at once, the usage is read."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from scope.upstream import UpstreamError

USAGE = re.compile(rb'"usage"\s*:\s*\{')
ENDED = re.compile(rb'"finish_reason"\s*:\s*"')
DONE = re.compile(rb"^data:\s*\[DONE\]", re.MULTILINE)
ERROR = re.compile(rb'^data:\s*\{\s*"error"\s*:\s*\{', re.MULTILINE)
EVENT = re.compile(rb".*?\n\r?\n", re.DOTALL)
LONGEST_EVENT_BYTES = 16 * 2**20

Usage = Mapping[str, Any]


class SSEPassthrough:
    """One stream's events.

    An event goes on as soon as its last byte is there, and unless it holds the usage it is not
    even looked into. Half an event is held back: no client can read it, and after a cut it would
    spoil the error that follows.

    Parameters
    ----------
    show_usage : bool
        Whether the client asked for it; else the chunk that holds usage and no choices, which
        the client does not expect, is left out.
    describe : callable
        Usage to the field ``scope`` that is set beside it where it is shown.
    """

    def __init__(self, *, show_usage: bool, describe: Callable[[Usage], dict[str, Any]]) -> None:
        self._show_usage, self._describe = show_usage, describe
        self._rest = b""
        self.usage: Usage | None = None
        """As the upstream told it last."""
        self.done = False
        """Whether ``[DONE]`` went by: nothing that happens later matters."""
        self.error: Mapping[str, Any] | None = None
        """What the upstream said instead of going on; it and all after it are left out."""
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        """Return what the client gets now."""
        data = self._rest + chunk
        length = max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3)
        if length < 3:
            length = 0
        whole, self._rest = data[:length], data[length:]
        if len(self._rest) > LONGEST_EVENT_BYTES:
            raise UpstreamError("garbage", "expected events, got megabytes without an empty line")
        if error := ERROR.search(whole):
            whole, said = whole[: error.start()], whole[error.start() :]
            self.error = (payload(EVENT.findall(said)[0]) or {}).get("error", {})
        self.done = self.done or DONE.search(whole) is not None
        self._ended = self._ended or ENDED.search(whole) is not None
        if not USAGE.search(whole):
            return whole
        return b"".join(map(self._with_usage, EVENT.findall(whole)))

    def finish(self) -> bytes:
        """Return what is left when the upstream has ended.

        Raises
        ------
        UpstreamError
            If it ended before the model did.
        """
        if DONE.fullmatch(self._rest.strip()):
            return b"data: [DONE]\n\n"
        if not (self.done or self._ended):
            raise UpstreamError("cut connection", "the stream ended before the answer did")
        return b""

    def _with_usage(self, event: bytes) -> bytes:
        data = payload(event)
        if data is None or not isinstance(data.get("usage"), dict):
            return event
        self.usage = data["usage"]
        if self._show_usage:
            described = {**data, "scope": self._describe(data["usage"])}
            return b"data: " + json.dumps(described).encode() + b"\n\n"
        return event if data.get("choices") else b""


def payload(event: bytes) -> dict[str, Any] | None:
    """Return the JSON object of an event; None where it holds none.

    Examples
    --------
    >>> payload(b'data: {"a": 1}')
    {'a': 1}
    >>> payload(b": still there")
    """
    lines = (line[5:] for line in event.splitlines() if line.startswith(b"data:"))
    try:
        data = json.loads(b"\n".join(lines))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
