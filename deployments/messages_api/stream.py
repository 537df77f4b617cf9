"""The chunks of a chat completion as the events of a message."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployments.messages_api.answer import (
    INVALID_JSON,
    as_text,
    detail_text,
    input_of,
    reasoning_details,
    reasoning_text,
    text_of,
    thinking_block,
)
from deployments.messages_api.errors import stream_error
from deployments.messages_api.vocabulary import message_id, message_usage, stop_of, tool_use_id

DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
"""Type of a block -> type and field of its pieces."""


class OpenBlock:
    """A content block while its pieces arrive.

    Parameters
    ----------
    kind : str
        ``text``, ``thinking``, ``redacted_thinking`` or ``tool_use``.
    key : object
        What the pieces of the block have in common, such as the index of a tool call.
    start : dict
        The block without its pieces.
    """

    def __init__(self, kind: str, key: object, start: dict[str, Any]) -> None:
        self.kind, self.key, self.start = kind, key, start
        self.is_open = False
        self.held: list[str] = []
        """Pieces that are not sent yet."""
        self.sent: list[str] = []
        self.signature = ""

    @property
    def may_end(self) -> bool:
        """Whether another block may follow: the arguments of a tool call are complete JSON."""
        if self.kind != "tool_use":
            return True
        arguments = "".join([*self.sent, *self.held])
        return bool(arguments.strip()) and INVALID_JSON not in input_of(arguments)


class MessageEvents:
    """The events of one stream.

    Blocks follow each other, as clients expect: where the pieces of several tool calls are mixed,
    those of a later one are held until the one before is complete.

    Parameters
    ----------
    stop_sequences : sequence of str
        Of the request.
    """

    def __init__(self, stop_sequences: Sequence[str] = ()) -> None:
        self._stop_sequences = stop_sequences
        self._started = False
        self._index = -1
        """Of the block that is being sent."""
        self._blocks: list[OpenBlock] = []
        """The first one is being sent, the others wait for its end."""
        self._calls: dict[object, OpenBlock] = {}
        self._head = b""
        """A text delta up to its text, while a text block alone is open."""
        self._has_refusal = False
        self._choice: dict[str, Any] = {}
        self._usage: object = None
        self._scope: object = None

    def feed(self, chunk: Mapping[str, Any]) -> bytes:
        """Return the events that a chunk stands for."""
        out = b"" if self._started else self._start(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict):
            delta = choice.get("delta")
            if isinstance(delta, dict):
                out += self._feed_delta(delta)
            if choice.get("finish_reason"):
                self._choice |= {name: choice[name] for name in choice if name != "delta"}
        if "usage" in chunk and isinstance(chunk["usage"], dict):
            self._usage, self._scope = chunk["usage"], chunk.get("scope")
        return out

    def finish(self) -> bytes:
        """Return the events after the last chunk."""
        out = b"" if self._started else self._start({})
        while self._blocks:
            out += self._end_first()
        has_calls, has_refusal = bool(self._calls), self._has_refusal
        stop = stop_of(
            self._choice, self._stop_sequences, has_calls=has_calls, has_refusal=has_refusal
        )
        delta = {"stop_reason": stop.reason, "stop_sequence": stop.sequence}
        usage = message_usage(self._usage)
        out += _event("message_delta", {"delta": delta, "usage": usage, "scope": self._scope})
        return out + _event("message_stop", {})

    def fail(self, error: Mapping[str, Any]) -> bytes:
        """Return the last event of a stream that broke."""
        body = stream_error(error)
        return b"event: error\ndata: " + json.dumps(body).encode() + b"\n\n"

    def _start(self, chunk: Mapping[str, Any]) -> bytes:
        """Return the first event; its counts are those of an answer without a word so far.

        Clients add nothing to them: the counts of the last event replace them. In the API they
        are never null.
        """
        self._started = True
        message: dict[str, Any] = {
            "id": message_id(chunk.get("id")),
            "type": "message",
            "role": "assistant",
            "model": chunk.get("model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return _event("message_start", {"message": message})

    def _feed_delta(self, delta: Mapping[str, Any]) -> bytes:
        content = delta.get("content")
        if self._head and content.__class__ is str and not any(map(delta.get, _OTHER_PIECES)):
            return self._head + json.dumps(content).encode() + b"}}\n\n" if content else b""
        for detail in reasoning_details(delta):
            self._add_detail(detail)
        if not delta.get("reasoning_details") and (text := reasoning_text(delta)):
            self._add("thinking", None, thinking_block(""), text)
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._has_refusal = True
            self._add_text(refusal)
        if text := text_of(content):
            self._add_text(text)
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._add_call(call, position)
        return self._send()

    def _add_text(self, text: str) -> None:
        self._add("text", None, {"type": "text", "text": ""}, text)

    def _add(self, kind: str, key: object, start: dict[str, Any], piece: str) -> OpenBlock:
        """Add a piece to the last block, or to a new one if the last one is another."""
        last = self._blocks[-1] if self._blocks else None
        if last is None or last.kind != kind or last.key != key:
            last = OpenBlock(kind, key, start)
            self._blocks.append(last)
        if piece:
            last.held.append(piece)
        return last

    def _add_detail(self, detail: Mapping[str, Any]) -> None:
        if detail.get("type") == "reasoning.encrypted":
            start = {"type": "redacted_thinking", "data": str(detail.get("data") or "")}
            self._blocks.append(OpenBlock("redacted_thinking", None, start))
            return
        text, signature = detail_text(detail), detail.get("signature")
        if text or signature:
            block = self._add("thinking", detail.get("index"), thinking_block(""), text)
            block.signature += signature if isinstance(signature, str) else ""

    def _add_call(self, call: Mapping[str, Any], position: int) -> None:
        """Add a piece of a tool call; some upstreams give all calls one index, and own ids."""
        index = call.get("index", position)
        key = index if isinstance(index, int | str) else position
        call_id = call["id"] if isinstance(call.get("id"), str) else ""
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        block = self._calls.get(key)
        if block is None or (call_id and block.start["id"] not in ("", call_id)):
            start = {"type": "tool_use", "id": "", "name": "", "input": {}}
            block = self._calls[key] = OpenBlock("tool_use", key, start)
            self._blocks.append(block)
        for name, value in (("id", call_id), ("name", function.get("name"))):
            if isinstance(value, str) and not block.is_open:
                block.start[name] = block.start[name] or value
        if piece := as_text(function.get("arguments")):
            block.held.append(piece)

    def _send(self) -> bytes:
        """Return the events of what can be sent: blocks before the last one end."""
        out = b""
        while len(self._blocks) > 1 and self._blocks[0].may_end:
            out += self._end_first()
        if not self._blocks:
            return out
        first = self._blocks[0]
        if first.kind == "tool_use" and not first.start["name"]:
            return out
        return out + b"".join(self._send_pieces(first))

    def _end_first(self) -> bytes:
        block = self._blocks[0]
        out = b"".join(self._send_pieces(block))
        del self._blocks[0]
        self._head = b""
        if block.signature:
            delta = {"type": "signature_delta", "signature": block.signature}
            out += _event("content_block_delta", {"index": self._index, "delta": delta})
        return out + _event("content_block_stop", {"index": self._index})

    def _send_pieces(self, block: OpenBlock) -> Iterator[bytes]:
        if not block.is_open:
            block.is_open = True
            self._index += 1
            if block.kind == "tool_use":
                block.start["id"] = tool_use_id(block.start["id"])
            started = {"index": self._index, "content_block": block.start}
            yield _event("content_block_start", started)
        for piece in block.held:
            kind, field = DELTAS[block.kind]
            delta = {"type": kind, field: piece}
            yield _event("content_block_delta", {"index": self._index, "delta": delta})
        block.sent += block.held
        block.held = []
        if block.kind == "text" and len(self._blocks) == 1:
            self._head = _text_head(self._index)


_OTHER_PIECES = ("tool_calls", "reasoning", "reasoning_content", "reasoning_details", "refusal")
"""Fields of a delta that are part of the answer, beside its content."""


def _text_head(index: int) -> bytes:
    """Return the event of a piece of text up to the text: nearly all events are such."""
    event = {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta"}}
    return b"event: content_block_delta\ndata: " + json.dumps(event)[:-2].encode() + b', "text": '


def _event(kind: str, fields: Mapping[str, Any]) -> bytes:
    data = json.dumps({"type": kind, **fields}).encode()
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
