"""The chunks of a chat completion, made of the events of Anthropic's Messages API."""

import json
import re
from collections.abc import Mapping
from typing import Any

from deployments.upstream_api.answer import (
    FORMAT,
    chat_usage,
    completion_head,
    finish_fields,
    reasoning_detail,
    tool_call,
)
from scope.upstream import GARBAGE, UpstreamError, event_data, split_events

JsonObject = Mapping[str, Any]

_TEXT = re.compile(
    rb'^data:\s*\{\s*"type":\s*"content_block_delta",\s*"index":\s*\d+,\s*"delta":\s*'
    rb'\{\s*"type":\s*"text_delta",\s*"text":\s*("(?:[^"\\]|\\.)*")\s*\}\s*\}\s*$',
    re.MULTILINE,
)
"""A piece of text, as Anthropic writes it: its JSON goes on without being read."""
END = b"data: [DONE]\n\n"


class CompletionChunks:
    """Translates the events of one stream; use it as ``feed`` for each chunk, then ``finish``.

    Errors pass through as they are, and a stream that breaks off has no finish reason: what
    follows reads both.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._start = self._head = b""
        self._usage: dict[str, Any] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        """Index of a block of a tool call -> its index among them, and whether it has arguments."""
        self._details: dict[int, int] = {}
        """Index of a block of thinking -> its index among them."""
        self._finished = self._done = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunks that are complete with a piece of the upstream's body.

        Raises
        ------
        UpstreamError
            ``garbage``: an event lacks what every event of its type has.
        """
        data = self._rest + chunk
        length = max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3)
        if length < 3:
            self._rest = data
            return b""
        self._rest = data[length:]
        try:
            return b"".join(map(self._translate, split_events(data[:length])))
        except (AttributeError, KeyError, TypeError) as error:
            problem = f"{type(error).__name__} {error}"
            raise UpstreamError(
                GARBAGE, f"events of another API than Messages: {problem}"
            ) from error

    def finish(self) -> bytes:
        """Return the rest after the upstream's last byte; its last event may lack an empty line."""
        out = self.feed(b"\n\n") if self._rest.strip() else b""
        return out + self._end()

    def _translate(self, event: bytes) -> bytes:
        if self._head and (found := _TEXT.search(event)):
            return (
                self._head + b'{"content": ' + found[1] + b"}" + b', "finish_reason": null}]}\n\n'
            )
        data = event_data(event)
        if data is None:
            return b""
        kind = data.get("type")
        if kind == "message_start":
            return self._begin(data["message"])
        if kind == "content_block_start":
            return self._begin_block(data["index"], data["content_block"])
        if kind == "content_block_delta":
            return self._continue_block(data["index"], data["delta"])
        if kind == "content_block_stop":
            return self._end_block(data["index"])
        if kind == "message_delta":
            return self._stop(data)
        if kind == "message_stop":
            return self._end()
        return event if "error" in data else b""

    def _begin(self, message: JsonObject) -> bytes:
        self._usage = dict(message.get("usage") or {})
        head = json.dumps(completion_head(message, "chat.completion.chunk"))[:-1]
        self._start = f"data: {head}, ".encode()
        self._head = self._start + b'"choices": [{"index": 0, "delta": '
        return self._chunk({"role": "assistant", "content": ""})

    def _begin_block(self, index: int, block: JsonObject) -> bytes:
        if block["type"] == "tool_use":
            arguments = json.dumps(block["input"]) if block.get("input") else ""
            position = len(self._calls)
            self._calls[index] = {"index": position, "begun": bool(arguments)}
            return self._chunk({"tool_calls": [{"index": position, **tool_call(block, arguments)}]})
        if block["type"] == "text":
            return self._chunk({"content": block["text"]}) if block.get("text") else b""
        position = len(self._details)
        detail = reasoning_detail(block, position)
        if detail is None:
            return b""
        self._details[index] = position
        return self._reasoning(detail) if any(map(detail.get, ("text", "data"))) else b""

    def _continue_block(self, index: int, delta: JsonObject) -> bytes:
        kind = delta["type"]
        if kind == "text_delta":
            return self._chunk({"content": delta["text"]})
        if kind == "input_json_delta" and index in self._calls and delta["partial_json"]:
            call = self._calls[index]
            call["begun"] = True
            return self._arguments(call["index"], delta["partial_json"])
        common = {"type": "reasoning.text", "format": FORMAT, "index": self._details.get(index)}
        if kind == "thinking_delta" and delta["thinking"]:
            return self._reasoning({**common, "text": delta["thinking"]})
        if kind == "signature_delta":
            return self._reasoning({**common, "signature": delta["signature"]})
        return b""

    def _end_block(self, index: int) -> bytes:
        """Return the arguments of a call that has none: clients parse them as JSON."""
        call = self._calls.get(index)
        if call is None or call["begun"]:
            return b""
        return self._arguments(call["index"], "{}")

    def _arguments(self, position: int, piece: str) -> bytes:
        return self._chunk({"tool_calls": [{"index": position, "function": {"arguments": piece}}]})

    def _reasoning(self, detail: JsonObject) -> bytes:
        text = {"reasoning": detail["text"]} if detail.get("text") else {}
        return self._chunk({**text, "reasoning_details": [detail]})

    def _stop(self, data: JsonObject) -> bytes:
        reported = data.get("usage") or {}
        self._usage |= {name: value for name, value in reported.items() if value is not None}
        if self._finished or not data["delta"].get("stop_reason"):
            return b""
        self._finished = True
        return self._chunk({}, finish_fields(data["delta"]))

    def _end(self) -> bytes:
        """Return the usage and the end of a whole answer."""
        if self._done or not self._finished:
            return b""
        self._done = True
        usage = json.dumps(chat_usage(self._usage)).encode()
        return self._start + b'"choices": [], "usage": ' + usage + b"}\n\n" + END

    def _chunk(self, delta: JsonObject, finish: JsonObject | None = None) -> bytes:
        rest = json.dumps(finish or {"finish_reason": None})[1:].encode()
        return self._head + json.dumps(delta).encode() + b", " + rest + b"]}\n\n"
