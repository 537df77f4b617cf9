"""The output items of a response, and the events of their making.

A whole answer is made as a stream of one piece, so both have the same items.
"""

from collections.abc import Callable, Mapping
from typing import Any

from deployments.responses_api.fields import JsonObject
from deployments.responses_api.reasoning import detail_text, encrypted_content, plain_text
from deployments.responses_api.tools import CalledTool, custom_input

Emit = Callable[..., None]
"""Takes the type of an event and its fields."""


class MessageItem:
    """A message: text and refusals."""

    def __init__(self, emit: Emit, index: int, item_id: str) -> None:
        self._emit, self._pieces = emit, list[str]()
        self.item: dict[str, Any] = {
            "id": item_id,
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._at: dict[str, Any] = {"item_id": item_id, "output_index": index, "content_index": -1}
        self._part: dict[str, Any] = {}
        emit("response.output_item.added", output_index=index, item=self.item)

    def add_text(self, text: str, logprobs: list[dict[str, Any]]) -> None:
        """Add a piece of text."""
        self.open_part("output_text")
        self._pieces.append(text)
        if logprobs:
            self._part["logprobs"] += logprobs
        self._emit("response.output_text.delta", **self._at, delta=text, logprobs=logprobs)

    def add_refusal(self, text: str) -> None:
        """Add a piece of a refusal."""
        self.open_part("refusal")
        self._pieces.append(text)
        self._emit("response.refusal.delta", **self._at, delta=text)

    def annotate(self, annotation: dict[str, Any]) -> None:
        """Add a citation to the text."""
        self.open_part("output_text")
        n = len(self._part["annotations"])
        self._part["annotations"].append(annotation)
        self._emit(
            "response.output_text.annotation.added",
            **self._at,
            annotation_index=n,
            annotation=annotation,
        )

    def open_part(self, kind: str) -> None:
        """Begin a part, unless the last one is of this type."""
        if self._part.get("type") == kind:
            return
        self._close_part()
        self._part = {"type": kind, "refusal": ""}
        if kind == "output_text":
            self._part = {"type": kind, "text": "", "annotations": [], "logprobs": []}
        self._at["content_index"] += 1
        self.item["content"].append(self._part)
        self._emit("response.content_part.added", **self._at, part=self._part)

    def close(self, status: str) -> None:
        """End the message."""
        self._close_part()
        self.item["status"] = status
        index = self._at["output_index"]
        self._emit("response.output_item.done", output_index=index, item=self.item)

    def _close_part(self) -> None:
        text, self._pieces = "".join(self._pieces), []
        if not self._part:
            return
        if self._part["type"] == "output_text":
            self._part["text"] = text
            logprobs = self._part["logprobs"]
            self._emit("response.output_text.done", **self._at, text=text, logprobs=logprobs)
        else:
            self._part["refusal"] = text
            self._emit("response.refusal.done", **self._at, refusal=text)
        self._emit("response.content_part.done", **self._at, part=self._part)


class ReasoningItem:
    """Reasoning, as a summary: clients show that, and few show the raw text.

    Parameters
    ----------
    emit : callable
    index : int
        In the output.
    item_id : str
    key : tuple
        Type and index of the detail that it is made of.
    """

    def __init__(self, emit: Emit, index: int, item_id: str, key: tuple[Any, ...]) -> None:
        self._emit, self._index, self.key = emit, index, key
        self._pieces, self._detail = list[str](), dict[str, Any]()
        self.item: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": []}
        self._at = {"item_id": item_id, "output_index": index, "summary_index": 0}
        emit("response.output_item.added", output_index=index, item=self.item)

    def add_text(self, text: str) -> None:
        """Add a piece of text."""
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            self._emit("response.reasoning_summary_part.added", **self._at, part=part)
        self._pieces.append(text)
        self._emit("response.reasoning_summary_text.delta", **self._at, delta=text)

    def add_detail(self, detail: JsonObject) -> None:
        """Add a detail, or a piece of one."""
        known = {name: value for name, value in detail.items() if value is not None}
        if isinstance(piece := known.get("data"), str):
            known["data"] = self._detail.get("data", "") + piece
        self._detail |= known
        if text := detail_text(detail):
            self.add_text(text)

    def close(self, status: str) -> None:
        """End the reasoning."""
        if self._pieces:
            text = "".join(self._pieces)
            part = {"type": "summary_text", "text": text}
            self._emit("response.reasoning_summary_text.done", **self._at, text=text)
            self._emit("response.reasoning_summary_part.done", **self._at, part=part)
            self.item["summary"] = [part]
        if encrypted := encrypted_content(self._detail):
            self.item["encrypted_content"] = encrypted
        self._emit("response.output_item.done", output_index=self._index, item=self.item)


class CallItem:
    """A call of a function or of a custom tool; it is open until the answer ends.

    Parameters
    ----------
    emit : callable
    index : int
        In the output.
    suffix : str
        Of its ids.
    call : mapping
        The first piece of the tool call that has its name.
    tool : CalledTool
    """

    def __init__(
        self, emit: Emit, index: int, suffix: str, call: JsonObject, tool: CalledTool
    ) -> None:
        self._emit, self._index, self._pieces = emit, index, list[str]()
        self._is_custom = tool.is_custom
        call_id = call.get("id")
        self.item: dict[str, Any] = {
            "id": f"{'ctc' if tool.is_custom else 'fc'}_{suffix}",
            "type": "custom_tool_call" if tool.is_custom else "function_call",
            "status": "in_progress",
            "call_id": call_id if isinstance(call_id, str) and call_id else f"call_{suffix}",
            "name": tool.name,
            "input" if tool.is_custom else "arguments": "",
        }
        if tool.namespace is not None:
            self.item["namespace"] = tool.namespace
        self._at = {"item_id": self.item["id"], "output_index": index}
        emit("response.output_item.added", output_index=index, item=self.item)

    def add_arguments(self, piece: str) -> None:
        """Add a piece of the arguments; that of a custom tool is held back until it is whole."""
        self._pieces.append(piece)
        if not self._is_custom:
            self._emit("response.function_call_arguments.delta", **self._at, delta=piece)

    def close(self, status: str) -> None:
        """End the call."""
        arguments = "".join(self._pieces)
        if self._is_custom:
            text = custom_input(arguments)
            self.item["input"] = text
            self._emit("response.custom_tool_call_input.delta", **self._at, delta=text)
            self._emit("response.custom_tool_call_input.done", **self._at, input=text)
        else:
            self.item["arguments"] = arguments
            self._emit("response.function_call_arguments.done", **self._at, arguments=arguments)
        self.item["status"] = status
        self._emit("response.output_item.done", output_index=self._index, item=self.item)


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
    emit : callable
        Takes each event.

    Attributes
    ----------
    output : list of dict
        The items so far.
    """

    def __init__(self, called: Mapping[str, CalledTool], response_id: str, emit: Emit) -> None:
        self._called, self._emit = called, emit
        self._suffix = response_id.rpartition("_")[2]
        self.output: list[dict[str, Any]] = []
        self._message: MessageItem | None = None
        self._reasoning: ReasoningItem | None = None
        self._calls: dict[Any, CallItem] = {}
        self._last_call: Any = None

    def feed(self, choice: JsonObject, delta: JsonObject) -> None:
        """Add a delta, or a whole message, of a choice."""
        self._feed_reasoning(delta)
        if text := _text_of(delta.get("content")):
            self._open_message().add_text(text, _logprobs(choice))
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
            item = CallItem(self._emit, len(self.output), self._new_suffix(), call, tool)
            self._calls[key] = item
            self.output.append(item.item)
        if isinstance(piece := function.get("arguments"), str) and piece:
            item.add_arguments(piece)

    def _open_message(self) -> MessageItem:
        if self._message is None:
            self._close_text("completed")
            self._message = MessageItem(self._emit, len(self.output), f"msg_{self._new_suffix()}")
            self.output.append(self._message.item)
        return self._message

    def _open_reasoning(self, key: tuple[Any, ...]) -> ReasoningItem:
        if self._reasoning is None or self._reasoning.key != key:
            self._close_text("completed")
            index, item_id = len(self.output), f"rs_{self._new_suffix()}"
            self._reasoning = ReasoningItem(self._emit, index, item_id, key)
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
    if not isinstance(logprobs, Mapping):
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
