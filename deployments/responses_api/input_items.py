"""The input of a response as the messages of a chat completion."""

from collections.abc import Callable
from typing import Any

from deployments.protocol import field_error, short_repr
from deployments.responses_api.fields import JsonObject, objects, optional_text, required_text
from deployments.responses_api.reasoning import detail_text, details_of
from deployments.responses_api.tools import custom_arguments, function_name

HOSTED_ITEMS = (
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "computer_call",
    "computer_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
)
"""Items of tools that no chat completion has; they are left out of a conversation."""

ROLES = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}
"""Role -> role in a chat completion: many upstreams do not know developers."""

TEXT_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
"""Type of a part -> the field with its text."""

DETAILS = {"low": "low", "high": "high", "original": "high"}
"""Detail of an image -> detail in a chat completion; it has none by default."""

NOT_STORED = "files are not stored here; send the content itself"
ATTACHED = "The output is in the next message."
"""Text of a tool's output that is only images or files: a tool message holds text."""


class MessageList:
    """Collects items as messages.

    Reasoning, text and calls in a row are one message of the assistant, as the chat completion
    had them that they came from. System texts in a row are one message: many templates of open
    models take one. What a tool's output attaches follows all outputs as a message of the user.

    Attributes
    ----------
    messages : list of dict
    ignored : list of str
        Items that are left out.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ignored: list[str] = []
        self._assistant: dict[str, Any] = {}
        self._attached: list[dict[str, Any]] = []

    def add_text(self, role: str, text: str) -> None:
        """Add a message of plain text."""
        self._add_message(role, [{"type": "text", "text": text}])

    def add(self, item: JsonObject, where: str) -> None:
        """Add an item of the input.

        Raises
        ------
        RequestError
            If it is none of this API, or refers to something that is not stored here.
        """
        kind = item.get("type")
        if kind is None:
            kind = "item_reference" if set(item) <= {"id", "type"} else "message"
        if kind in HOSTED_ITEMS:
            self.ignored.append(f"{where} ({kind})")
        elif isinstance(kind, str) and kind in _READERS:
            _READERS[kind](self, item, where)
        elif kind == "item_reference":
            message = "items are not stored here; send the item itself"
            raise field_error(where, f"an item_reference, but {message}")
        else:
            message = f"{short_repr(kind)} is no item here; expected one of {', '.join(_READERS)}"
            raise field_error(f"{where}.type", message)

    def finish(self) -> list[dict[str, Any]]:
        """Return all messages."""
        self._end_assistant()
        self._end_outputs()
        return self.messages

    def _message(self, item: JsonObject, where: str) -> None:
        role = ROLES.get(required_text(item, "role", where))
        if role is None:
            message = f"expected one of {', '.join(ROLES)}, got {short_repr(item['role'])}"
            raise field_error(f"{where}.role", message)
        parts = _parts(item.get("content"), f"{where}.content")
        if role == "assistant":
            self._end_outputs()
            text = _only_text(parts, f"{where}.content")
            self._assistant["texts"] = [*self._assistant.get("texts", []), text]
        else:
            self._add_message(role, parts)

    def _add_message(self, role: str, parts: list[dict[str, Any]]) -> None:
        self._end_assistant()
        self._end_outputs()
        content: Any = parts
        if all(part["type"] == "text" for part in parts) and (len(parts) < 2 or role == "system"):
            content = "\n\n".join(part["text"] for part in parts)
        last = self.messages[-1] if self.messages else {}
        if role == last.get("role") == "system":
            both = (last["content"], content)
            if all(isinstance(one, str) for one in both):
                last["content"] = "\n\n".join(both)
                return
        self.messages.append({"role": role, "content": content})

    def _reasoning(self, item: JsonObject, where: str) -> None:
        self._end_outputs()
        self._assistant.setdefault("details", []).extend(details_of(item, where))

    def _function_call(self, item: JsonObject, where: str) -> None:
        self._add_call(item, required_text(item, "arguments", where), where)

    def _custom_call(self, item: JsonObject, where: str) -> None:
        self._add_call(item, custom_arguments(required_text(item, "input", where)), where)

    def _add_call(self, item: JsonObject, arguments: str, where: str) -> None:
        self._end_outputs()
        name = function_name(required_text(item, "name", where), item.get("namespace"))
        call = {
            "id": required_text(item, "call_id", where),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        self._assistant.setdefault("calls", []).append(call)

    def _output(self, item: JsonObject, where: str) -> None:
        self._end_assistant()
        call_id = required_text(item, "call_id", where)
        if item.get("output") is None:
            raise field_error(f"{where}.output", "missing, and required")
        parts = _parts(item["output"], f"{where}.output")
        texts = [part["text"] for part in parts if part["type"] == "text"]
        attached = [part for part in parts if part["type"] != "text"]
        self._attached += attached
        text = "\n".join(texts) if texts or not attached else ATTACHED
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": text})

    def _end_assistant(self) -> None:
        parts, self._assistant = self._assistant, {}
        texts, calls = parts.get("texts"), parts.get("calls")
        if texts is None and calls is None:
            return  # reasoning without an answer: nothing follows from it
        message: dict[str, Any] = {"role": "assistant"}
        message["content"] = None if texts is None else "\n\n".join(texts)
        if calls:
            message["tool_calls"] = calls
        if details := parts.get("details"):
            text = "\n\n".join(filter(None, map(detail_text, details)))
            message |= {"reasoning": text} if text else {}
            numbered = [detail | {"index": index} for index, detail in enumerate(details)]
            message["reasoning_details"] = numbered
        self.messages.append(message)

    def _end_outputs(self) -> None:
        attached, self._attached = self._attached, []
        if attached:
            self.messages.append({"role": "user", "content": attached})


_READERS: dict[str, Callable[[MessageList, JsonObject, str], None]] = {
    "message": MessageList._message,
    "reasoning": MessageList._reasoning,
    "function_call": MessageList._function_call,
    "function_call_output": MessageList._output,
    "custom_tool_call": MessageList._custom_call,
    "custom_tool_call_output": MessageList._output,
}


def _parts(content: object, where: str) -> list[dict[str, Any]]:
    """Return the content of a message or an output as parts of a chat message."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if content is None:
        raise field_error(where, "missing, and required")
    if not isinstance(content, list):
        raise field_error(where, f"expected text or a list of parts, got {short_repr(content)}")
    parts = objects(content, where)
    return [_part(part, f"{where}[{index}]") for index, part in enumerate(parts)]


def _part(part: JsonObject, where: str) -> dict[str, Any]:
    kind = required_text(part, "type", where)
    if kind in TEXT_PARTS:
        return {"type": "text", "text": required_text(part, TEXT_PARTS[kind], where)}
    if kind in _ATTACHMENTS:
        if part.get("file_id") is not None:
            raise field_error(f"{where}.file_id", NOT_STORED)
        return _ATTACHMENTS[kind](part, where)
    expected = ", ".join([*TEXT_PARTS, *_ATTACHMENTS])
    raise field_error(f"{where}.type", f"expected one of {expected}, got {short_repr(kind)}")


def _image(part: JsonObject, where: str) -> dict[str, Any]:
    image = {"url": required_text(part, "image_url", where)}
    detail = optional_text(part, "detail", where)
    if detail in DETAILS:
        image["detail"] = DETAILS[detail]
    return {"type": "image_url", "image_url": image}


def _file(part: JsonObject, where: str) -> dict[str, Any]:
    name = "file_url" if part.get("file_url") is not None else "file_data"
    file = {"file_data": required_text(part, name, where)}
    if filename := optional_text(part, "filename", where):
        file = {"filename": filename, **file}
    return {"type": "file", "file": file}


def _audio(part: JsonObject, where: str) -> dict[str, Any]:
    audio = part.get("input_audio")
    if not isinstance(audio, dict):
        raise field_error(f"{where}.input_audio", "expected an object with data and format")
    names = ("data", "format")
    read = {name: required_text(audio, name, f"{where}.input_audio") for name in names}
    return {"type": "input_audio", "input_audio": read}


_ATTACHMENTS: dict[str, Callable[[JsonObject, str], dict[str, Any]]] = {
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _only_text(parts: list[dict[str, Any]], where: str) -> str:
    for index, part in enumerate(parts):
        if part["type"] != "text":
            raise field_error(f"{where}[{index}].type", "a message of the assistant holds text")
    return "\n".join(part["text"] for part in parts)
