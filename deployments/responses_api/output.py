"""The output of a response, made of the deltas of a chat completion.

A whole answer is made as a stream of one piece, so both have the same items.
"""

import json
from collections.abc import Mapping
from typing import Any

from deployments.responses_api.events import EventWriter
from deployments.responses_api.fields import JsonObject
from deployments.responses_api.output_items import CallItem, MessageItem, ReasoningItem
from deployments.responses_api.reasoning import detail_text, plain_text
from deployments.responses_api.tools import CalledTool

TEXT_ONLY = frozenset({"role", "content"})
"""Fields of nearly all deltas: they need no further look."""


class OutputBuilder:
    """Makes output items of the deltas of a chat completion.

    Text and reasoning end where the other, or a call, begins; calls stay open to the end, as their
    pieces may alternate.

    Parameters
    ----------
    called : mapping of str to CalledTool
        The tools of the request.
    response_id : str
        The ids of the items are made of it.
    events : EventWriter

    Attributes
    ----------
    output : list of dict
        The items so far.
    """

    def __init__(
        self, called: Mapping[str, CalledTool], response_id: str, events: EventWriter
    ) -> None:
        self._called, self._events = called, events
        self._suffix = response_id.rpartition("_")[2]
        self.output: list[dict[str, Any]] = []
        self._message: MessageItem | None = None
        self._reasoning: ReasoningItem | None = None
        self._calls: dict[Any, CallItem] = {}
        self._last_call: Any = None

    def feed(self, choice: JsonObject, delta: JsonObject) -> None:
        """Add a delta, or a whole message, of a choice."""
        is_plain = delta.keys() <= TEXT_ONLY
        if not is_plain:
            self._feed_reasoning(delta)
        if text := _text_of(delta.get("content")):
            self._open_message().add_text(text, _logprobs(choice))
        if is_plain:
            return
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._open_message().add_refusal(refusal)
        for annotation in _objects(delta.get("annotations")):
            if citation := _citation(annotation):
                self._open_message().annotate(citation)
        for call in _objects(delta.get("tool_calls")):
            self._feed_call(call)

    def close(self, status: str) -> None:
        """End all items; an answer without any is an empty message."""
        if not self.output and status == "completed":
            self._open_message().open_part("output_text")
        self._close_text(status)
        for call in self._calls.values():
            call.close(status)

    def _feed_reasoning(self, delta: JsonObject) -> None:
        details = _objects(delta.get("reasoning_details"))
        for detail in details:
            self._open_reasoning((detail.get("type"), detail.get("index"))).add_detail(detail)
        text = plain_text(delta)
        if text and not any(map(detail_text, details)):  # else it says the same again
            key = self._reasoning.key if self._reasoning else ()
            self._open_reasoning(key).add_text(text)

    def _feed_call(self, call: JsonObject) -> None:
        function = call.get("function")
        function = function if isinstance(function, Mapping) else {}
        key, call_id = call.get("index"), call.get("id")
        if not isinstance(key, int):  # some upstreams send none: an id or a name begins a call
            is_new = bool(call_id or function.get("name"))
            key = str(call_id or len(self._calls)) if is_new else self._last_call
        self._last_call = key
        item = self._calls.get(key)
        if item is None:
            self._close_text("completed")
            name = str(function.get("name") or "")
            tool = self._called.get(name, CalledTool(name))
            item = CallItem(self._events, len(self.output), self._new_suffix(), call, tool)
            self._calls[key] = item
            self.output.append(item.item)
        piece = function.get("arguments")
        if isinstance(piece, dict):  # as some upstreams have them in whole answers
            piece = json.dumps(piece)
        if isinstance(piece, str) and piece:
            item.add_arguments(piece)

    def _open_message(self) -> MessageItem:
        if self._message is None:
            self._close_text("completed")
            self._message = MessageItem(self._events, len(self.output), f"msg_{self._new_suffix()}")
            self.output.append(self._message.item)
        return self._message

    def _open_reasoning(self, key: tuple[Any, ...]) -> ReasoningItem:
        if self._reasoning is None or self._reasoning.key != key:
            self._close_text("completed")
            index, item_id = len(self.output), f"rs_{self._new_suffix()}"
            self._reasoning = ReasoningItem(self._events, index, item_id, key)
            self.output.append(self._reasoning.item)
        return self._reasoning

    def _new_suffix(self) -> str:
        return f"{self._suffix}{len(self.output):02x}"

    def _close_text(self, status: str) -> None:
        for item in (self._reasoning, self._message):
            if item is not None:
                item.close(status)
        self._reasoning = self._message = None


def _objects(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of what an upstream sent as a list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text_of(content: object) -> str:
    """Return content as text; some upstreams send parts."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in _objects(content) if part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _logprobs(choice: JsonObject) -> list[dict[str, Any]]:
    """Return the log probabilities of a choice; this API always has the bytes of a token."""
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return []
    entries = _objects(logprobs.get("content"))
    return [_logprob(entry) | {"top_logprobs": _top_logprobs(entry)} for entry in entries]


def _top_logprobs(entry: JsonObject) -> list[dict[str, Any]]:
    return [_logprob(other) for other in _objects(entry.get("top_logprobs"))]


def _logprob(entry: JsonObject) -> dict[str, Any]:
    token = str(entry.get("token", ""))
    n_bytes = entry.get("bytes") or list(token.encode("utf-8", "replace"))
    return {"token": token, "bytes": n_bytes, "logprob": entry.get("logprob")}


def _citation(annotation: JsonObject) -> dict[str, Any] | None:
    """Return a citation of a web page; None if it is anything else, or misses its place."""
    cited = annotation.get("url_citation")
    if annotation.get("type") != "url_citation" or not isinstance(cited, Mapping):
        return None
    names = ("url", "title", "start_index", "end_index")
    if any(cited.get(name) is None for name in names):
        return None
    return {"type": "url_citation"} | {name: cited[name] for name in names}
