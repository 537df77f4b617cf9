"""One output item of a response each, and the events of its making."""

from collections.abc import Callable
from typing import Any

from deployments.responses_api.events import EventWriter
from deployments.responses_api.fields import JsonObject
from deployments.responses_api.reasoning import detail_text, encrypted_content
from deployments.responses_api.tools import CalledTool, custom_input


class MessageItem:
    """A message: text and refusals."""

    def __init__(self, events: EventWriter, index: int, item_id: str) -> None:
        self._events, self._pieces = events, list[str]()
        self._write_piece: Callable[[str], None]
        self.item: dict[str, Any] = {
            "id": item_id,
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._at: dict[str, Any] = {"item_id": item_id, "output_index": index, "content_index": -1}
        self._part: dict[str, Any] = {}
        events.write("response.output_item.added", output_index=index, item=self.item)

    def add_text(self, text: str, logprobs: list[dict[str, Any]]) -> None:
        """Add a piece of text."""
        self.open_part("output_text")
        self._pieces.append(text)
        if not logprobs:
            self._write_piece(text)
            return
        self._part["logprobs"] += logprobs
        self._events.write("response.output_text.delta", **self._at, delta=text, logprobs=logprobs)

    def add_refusal(self, text: str) -> None:
        """Add a piece of a refusal."""
        self.open_part("refusal")
        self._pieces.append(text)
        self._write_piece(text)

    def annotate(self, annotation: dict[str, Any]) -> None:
        """Add a citation to the text."""
        self.open_part("output_text")
        n = len(self._part["annotations"])
        self._part["annotations"].append(annotation)
        self._events.write(
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
        self._at["content_index"] += 1
        if kind == "output_text":
            self._part = {"type": kind, "text": "", "annotations": [], "logprobs": []}
            write = self._events.pieces("response.output_text.delta", **self._at, logprobs=[])
        else:
            self._part = {"type": kind, "refusal": ""}
            write = self._events.pieces("response.refusal.delta", **self._at)
        self._write_piece = write
        self.item["content"].append(self._part)
        self._events.write("response.content_part.added", **self._at, part=self._part)

    def close(self, status: str) -> None:
        """End the message."""
        self._close_part()
        self.item["status"] = status
        index = self._at["output_index"]
        self._events.write("response.output_item.done", output_index=index, item=self.item)

    def _close_part(self) -> None:
        text, self._pieces = "".join(self._pieces), []
        if not self._part:
            return
        if self._part["type"] == "output_text":
            self._part["text"] = text
            logprobs = self._part["logprobs"]
            self._events.write(
                "response.output_text.done", **self._at, text=text, logprobs=logprobs
            )
        else:
            self._part["refusal"] = text
            self._events.write("response.refusal.done", **self._at, refusal=text)
        self._events.write("response.content_part.done", **self._at, part=self._part)


class ReasoningItem:
    """Reasoning, as a summary: clients show that, and few show the raw text.

    Parameters
    ----------
    events : EventWriter
    index : int
        In the output.
    item_id : str
    key : tuple
        Type and index of the detail that it is made of.
    """

    def __init__(self, events: EventWriter, index: int, item_id: str, key: tuple[Any, ...]) -> None:
        self._events, self._index, self.key = events, index, key
        self._pieces, self._detail = list[str](), dict[str, Any]()
        self.item: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": []}
        self._at = {"item_id": item_id, "output_index": index, "summary_index": 0}
        self._write_piece = events.pieces("response.reasoning_summary_text.delta", **self._at)
        events.write("response.output_item.added", output_index=index, item=self.item)

    def add_text(self, text: str) -> None:
        """Add a piece of text."""
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            self._events.write("response.reasoning_summary_part.added", **self._at, part=part)
        self._pieces.append(text)
        self._write_piece(text)

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
            self._events.write("response.reasoning_summary_text.done", **self._at, text=text)
            self._events.write("response.reasoning_summary_part.done", **self._at, part=part)
            self.item["summary"] = [part]
        if encrypted := encrypted_content(self._detail):
            self.item["encrypted_content"] = encrypted
        self._events.write("response.output_item.done", output_index=self._index, item=self.item)


class CallItem:
    """A call of a function or of a custom tool; it is open until the answer ends.

    Parameters
    ----------
    events : EventWriter
    index : int
        In the output.
    suffix : str
        Of its ids.
    call : mapping
        The first piece of the tool call that has its name.
    tool : CalledTool
    """

    def __init__(
        self, events: EventWriter, index: int, suffix: str, call: JsonObject, tool: CalledTool
    ) -> None:
        self._events, self._index, self._pieces = events, index, list[str]()
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
        self._write_piece = events.pieces("response.function_call_arguments.delta", **self._at)
        events.write("response.output_item.added", output_index=index, item=self.item)

    def add_arguments(self, piece: str) -> None:
        """Add a piece of the arguments; that of a custom tool is held back until it is whole."""
        self._pieces.append(piece)
        if not self._is_custom:
            self._write_piece(piece)

    def close(self, status: str) -> None:
        """End the call."""
        arguments = "".join(self._pieces)
        if self._is_custom:
            text = custom_input(arguments)
            self.item["input"] = text
            self._events.write("response.custom_tool_call_input.delta", **self._at, delta=text)
            self._events.write("response.custom_tool_call_input.done", **self._at, input=text)
        else:
            self.item["arguments"] = arguments
            self._events.write(
                "response.function_call_arguments.done", **self._at, arguments=arguments
            )
        self.item["status"] = status
        self._events.write("response.output_item.done", output_index=self._index, item=self.item)
