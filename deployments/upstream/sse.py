"""Pass server-sent events through, and read usage, failures and the end out of them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from deployments.upstream.conversion import END, completion_events, to_event
from scope.json_text import MAX_DEPTH
from scope.upstream import (
    GARBAGE,
    OpenChoices,
    UpstreamError,
    begins_answer,
    chat_form,
    choices_of,
    cut_stream,
    event_data,
    event_text,
    has_bare_returns,
    read_event,
    split_events,
)

USAGE = re.compile(rb'"usage"\s*:\s*\{')
FINISHED = re.compile(rb'"finish_reason"\s*:\s*"[^"]')
MODEL = re.compile(rb'("model"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"')
MAX_EVENT_BYTES = 16 * 2**20

Usage = Mapping[str, Any]


class SSEPassthrough:
    """The events of one stream.

    Until the answer has begun all events are held back: another model can still give it. Then an
    event is passed on as soon as it is complete, with our name of the model and otherwise byte by
    byte; it is parsed only if it may hold more than a piece of the answer. An incomplete event is
    held back: no client can read it, and after a cut it would corrupt the error event that follows.

    Parameters
    ----------
    model : str
        Name of the model for the client.
    show_usage : bool
        Whether the client requested the usage; otherwise the chunk with the usage and without
        choices, which the client does not expect, is left out.
    describe : callable
        Maps usage to the field ``scope`` that is set beside it where it is shown.
    redact : callable
        Removes the upstream's key from a text.
    n_choices : int, default=1
        Choices that the client asked for.
    """

    def __init__(
        self,
        *,
        model: str,
        show_usage: bool,
        describe: Callable[[Usage], dict[str, Any]],
        redact: Callable[[str], str],
        n_choices: int = 1,
    ) -> None:
        self._model, self._show_usage = model, show_usage
        self._describe, self._redact = describe, redact
        self._theirs = self._ours = b""
        """The field ``model`` as the last chunk had it that was parsed, and with our name."""
        self._single, self._choices = n_choices == 1, OpenChoices(n_choices)
        self._rest, self._held, self._n_held = b"", list[bytes](), 0
        self._bare_returns: bool | None = None
        """Whether lines end with a carriage return alone; None: not known yet."""
        self.begun = False
        """Whether the answer has begun, or ended without a word: what was held back is out."""
        self.usage: Usage | None = None
        """The latest that the upstream reported."""
        self.response_id: object = None
        self.response_model: object = None
        """As the upstream names the answer and its model."""
        self.done = False
        """Whether ``[DONE]`` was passed on: what follows does not matter."""
        self.error: UpstreamError | None = None
        """The failure that the upstream reported; its event and all after it are left out."""

    @property
    def finish_reasons(self) -> list[str | None]:
        """The finish reason of each choice so far."""
        return self._choices.reasons

    def feed(self, chunk: bytes) -> bytes:
        """Return the events for the client that are complete with this chunk."""
        data = self._rest + chunk
        if self._bare_returns is None:
            self._bare_returns = has_bare_returns(data)
        if self._bare_returns:
            data = data.replace(b"\r", b"\n")
        length = max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3)
        if length < 3:
            length = 0
        events, self._rest = data[:length], data[length:]
        if len(self._rest) + self._n_held > MAX_EVENT_BYTES:
            raise UpstreamError(GARBAGE, "expected events, got megabytes without an answer")
        if self.begun and self._single and not self.done:
            renamed = self._renamed_pieces(events)
            if renamed is not None:
                return renamed
        return b"".join(self._read(split_events(events)))

    def finish(self) -> bytes:
        """Return the rest for the client after the upstream's last chunk.

        Raises
        ------
        UpstreamError
            If the stream ended before the answer did.
        """
        last, self._rest = self._rest.strip(), b""
        out = b""
        if last == END.strip() or _is_whole(last):
            out = b"".join(self._read([last + b"\n\n"]))
        if self.error is None and not self.done:
            if not self._choices.all_finished(done=False):
                raise cut_stream()
            out += self._release()
        return out

    def _renamed_pieces(self, events: bytes) -> bytes | None:
        """Return events with our name of the model; None if they may hold more than pieces.

        The fast way of nearly all chunks: no JSON is parsed. A quote inside a text is escaped,
        so the patterns match no text of the answer.
        """
        if b'"error"' in events or b"event: error" in events or b"event:error" in events:
            return None
        if b"[DONE]" in events or FINISHED.search(events) or USAGE.search(events):
            return None
        n = events.count(b"data:")
        if events.count(b"[") + events.count(b"{") > MAX_DEPTH * n:  # no client could parse it
            return None
        if not n == events.count(b'"delta"') == events.count(self._theirs):
            return None
        return events.replace(self._theirs, self._ours)

    def _read(self, events: list[bytes]) -> Iterator[bytes]:
        """Yield what the client gets of each event, up to the first that reports a failure."""
        for event in events:
            if self.done:
                return
            try:
                self._held.append(self._read_one(event))
            except UpstreamError as error:
                self.error = error
                return
            self._n_held += len(event)
            if self.begun or self.done:
                yield self._release()

    def _read_one(self, event: bytes) -> bytes:
        if event_text(event).strip() == b"[DONE]":
            if not self._choices.all_finished(done=True):
                raise cut_stream()
            self.done = True
            return event
        data = read_event(event, self._redact)
        if data is None:
            return event
        if any(isinstance(choice.get("message"), dict) for choice in choices_of(data)):
            return b"".join(map(self._read_one, completion_events(data)))
        chat = chat_form(data, "delta")
        if chat is not data:
            event, data = to_event(chat), chat
        self._choices.note(data)
        self.response_id = self.response_id or data.get("id")
        self.response_model = self.response_model or data.get("model")
        self.begun = self.begun or begins_answer(data)
        if isinstance(data.get("usage"), dict):
            self.usage = data["usage"]
            if self._show_usage:
                described = {"model": self._model, "scope": self._describe(data["usage"])}
                return to_event(data | described)
            if not data.get("choices"):
                return b""
        return self._renamed(event, data)

    def _renamed(self, event: bytes, data: dict[str, Any]) -> bytes:
        """Return a chunk with our name of the model, and otherwise as it came if that is sure."""
        name = data.get("model")
        if "choices" not in data:
            return event
        found = list(MODEL.finditer(event)) if isinstance(name, str) else []
        if len(found) != 1:
            return event if name == self._model else to_event(data | {"model": self._model})
        self._theirs, before = found[0].group(0, 1)
        self._ours = before + json.dumps(self._model).encode()
        return event.replace(self._theirs, self._ours)

    def _release(self) -> bytes:
        held, self._held, self._n_held = b"".join(self._held), [], 0
        self.begun = True
        return held


def _is_whole(event: bytes) -> bool:
    """Return whether an event without the empty line at its end has all of its JSON."""
    try:
        return event_data(event) is not None
    except ValueError:  # it is whole, and a failure
        return True
