"""Server-sent events of a chat completion: split them, read them, and join them to an answer."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from scope.json_text import parse_reply

Chunk = dict[str, Any]
"""The JSON object of one event."""

_EVENT = re.compile(rb".*?\n\r?\n", re.DOTALL)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?::|(?:data|event|id|retry)\s*:)")

CHUNKS = ("chat.completion.chunk", "text_completion.chunk")

ANSWER_FIELDS = (
    "content",
    "tool_calls",
    "function_call",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "refusal",
    "audio",
    "images",
)
"""Fields of a delta that are part of the answer; a role or an annotation alone is not."""

_PIECES = frozenset(
    {"content", "reasoning_content", "reasoning", "refusal", "arguments", "transcript", "data"}
)
"""Texts that arrive in pieces; every other text, such as an id or a name, arrives whole."""


def holds_events(content: bytes) -> bool:
    """Return whether a body is one of server-sent events; its beginning is enough.

    Examples
    --------
    >>> holds_events(b": ping"), holds_events(b'{"choices": []}')
    (True, False)
    """
    return _BEGINNING.match(content) is not None


def has_bare_returns(events: bytes) -> bool | None:
    r"""Return whether lines end with a carriage return alone; None: more bytes must tell.

    Examples
    --------
    >>> [has_bare_returns(text) for text in (b"data: a\rd", b"data: a\r\n", b"data: a\r")]
    [True, False, None]
    """
    line_end = _LINE_END.search(events)
    if line_end is None or (line_end[0] == b"\r" and line_end.end() == len(events)):
        return None
    return line_end[0] == b"\r"


def is_chunk(line: bytes) -> bool:
    """Return whether a line is a chunk of an answer, as servers write it that know no events.

    Examples
    --------
    >>> is_chunk(b'{"choices": [{"delta": {}}]}'), is_chunk(b'{"choices": [{"message": {}}]}')
    (True, False)
    """
    try:
        data = parse_reply(line)
    except ValueError:
        return False
    if not isinstance(data, dict):
        return False
    return data.get("object") in CHUNKS or any("delta" in choice for choice in choices_of(data))


def line_events(lines: bytes) -> bytes:
    """Return the server-sent events of lines that are one JSON object each."""
    return b"".join(b"data: " + line + b"\n\n" for line in lines.splitlines() if line.strip())


def split_events(events: bytes) -> list[bytes]:
    """Return each of several whole server-sent events, with the empty line at its end."""
    return _EVENT.findall(events)


def event_text(event: bytes) -> bytes:
    """Return the data of a server-sent event; empty where it has none."""
    return b"\n".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))


def event_data(event: bytes) -> Chunk | None:
    """Return the JSON object of a server-sent event; None where it has none.

    Raises
    ------
    ValueError
        If it is JSON that cannot be used, see `parse_reply`.

    Examples
    --------
    >>> event_data(b'data: {"a": 1}')
    {'a': 1}
    >>> event_data(b": keep-alive")
    """
    try:
        data = parse_reply(event_text(event))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return data if isinstance(data, dict) else None


def choices_of(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the choices of an answer or a chunk that are objects."""
    choices = data.get("choices")
    listed = choices if isinstance(choices, list) else []
    return [choice for choice in listed if isinstance(choice, dict)]


def chat_form(data: Chunk, field: Literal["message", "delta"]) -> Chunk:
    """Return an answer, or a chunk, as that of a chat if its choices are texts of a completion.

    Examples
    --------
    >>> chat_form({"choices": [{"index": 0, "text": "a"}]}, "delta")
    {'choices': [{'index': 0, 'delta': {'content': 'a'}}]}
    """
    choices = choices_of(data)
    if not any(_is_text(choice) for choice in choices):
        return data
    role = {"role": "assistant"} if field == "message" else {}
    return data | {
        "choices": [
            {name: value for name, value in choice.items() if name != "text"}
            | {field: role | {"content": choice["text"]}}
            if _is_text(choice)
            else choice
            for choice in choices
        ]
    }


def _is_text(choice: Mapping[str, Any]) -> bool:
    return isinstance(choice.get("text"), str) and not {"message", "delta"} & choice.keys()


def begins_answer(chunk: Mapping[str, Any]) -> bool:
    """Return whether a chunk holds a part of the answer, such as content or reasoning.

    Examples
    --------
    >>> begins_answer({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    False
    >>> begins_answer({"choices": [{"delta": {"reasoning": "Let"}}]})
    True
    """
    deltas = [_delta(choice) for choice in choices_of(chunk)]
    return any(delta.get(name) for delta in deltas for name in ANSWER_FIELDS)


class OpenChoices:
    """Which choices of a stream have no finish reason yet.

    Parameters
    ----------
    n_expected : int, default=1
        Choices that were asked for.
    """

    def __init__(self, n_expected: int = 1) -> None:
        self._n_expected = n_expected
        self._seen: set[str] = set()
        self._finished: dict[str, str] = {}
        self._gives_reasons = False

    def note(self, chunk: Mapping[str, Any]) -> None:
        """Read the choices of a chunk; an empty finish reason is none."""
        for choice in choices_of(chunk):
            index = str(choice.get("index") or 0)
            self._seen.add(index)
            self._gives_reasons = self._gives_reasons or "finish_reason" in choice
            if choice.get("finish_reason"):
                self._finished[index] = str(choice["finish_reason"])

    def all_finished(self, *, done: bool) -> bool:
        """Return whether every choice has a finish reason.

        After ``[DONE]`` these are the choices that were seen, before it as many as were asked for:
        some upstreams answer once whatever ``n`` says, and some send no ``[DONE]``. It is all that
        there is to go by where no chunk has the field.
        """
        if done and not self._gives_reasons:
            return bool(self._seen)
        enough = done or len(self._finished) >= self._n_expected
        return bool(self._finished) and enough and self._seen <= self._finished.keys()

    @property
    def reasons(self) -> list[str | None]:
        """The finish reason of each choice that was seen, None while it has none."""
        order = sorted(self._seen, key=lambda index: (len(index), index))
        return [self._finished.get(index) for index in order]


def join_chunks(chunks: Iterable[Chunk]) -> Chunk:
    """Return the whole answer that the chunks of a stream are the pieces of.

    Fields beside the choices have the value of the last chunk that says one.
    """
    answer: Chunk = {}
    choices: dict[str, Chunk] = {}
    for chunk in chunks:
        answer |= {name: value for name, value in chunk.items() if value is not None}
        for choice in choices_of(chunk):
            index = choice.get("index") or 0
            joined = choices.setdefault(
                str(index), {"index": index, "message": {"role": "assistant"}}
            )
            _merge(joined["message"], _delta(choice))
            rest = {name: choice[name] for name in choice if name not in ("delta", "message")}
            _merge(joined, rest)
    for choice in choices.values():
        choice["message"].setdefault("content", None)
        choice.setdefault("finish_reason", None)
        for call in choice["message"].get("tool_calls") or ():
            del call["index"]  # only pieces have one
    return {**answer, "object": "chat.completion", "choices": list(choices.values())}


def _delta(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    delta = choice.get("delta") or choice.get("message")
    return delta if isinstance(delta, dict) else {}


def _merge(joined: Chunk, piece: Mapping[str, Any]) -> None:
    """Add a piece to what is joined so far."""
    for name, value in piece.items():
        old = joined.get(name)
        if name == "tool_calls" and isinstance(value, list):
            joined[name] = _with_calls(old or [], value)
        elif isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            joined[name] = [*old, *value]
        elif name in _PIECES and isinstance(old, str) and isinstance(value, str):
            joined[name] = old + value
        elif value or name not in joined:
            joined[name] = dict(value) if isinstance(value, dict) else value


def _with_calls(calls: list[Chunk], pieces: list[Any]) -> list[Chunk]:
    """Return the tool calls so far with pieces of them.

    A piece continues the last call of its index; some upstreams give every call the index 0, but
    an id of its own.
    """
    for position, piece in enumerate(pieces):
        if not isinstance(piece, dict):
            continue
        index = position if piece.get("index") is None else piece["index"]
        same = [call for call in calls if call["index"] == index]
        known = same[-1].get("id") if same else None
        if not same or (known and piece.get("id") not in (None, "", known)):
            same = [{"index": index}]
            calls = calls + same
        _merge(same[-1], piece)
    return calls
