"""A response as a chat completion, and its answer back."""

from dataclasses import dataclass
from typing import Any

from deployments.responses_api.answer import echo, end_of, response_object
from deployments.responses_api.events import EventWriter
from deployments.responses_api.fields import JsonObject
from deployments.responses_api.input_items import MessageList
from deployments.responses_api.output import OutputBuilder
from deployments.responses_api.request import CHAT_NAMES, ResponseBody, chat_body
from deployments.responses_api.stream import ResponseStream
from deployments.responses_api.tools import ToolSet
from scope.upstream import choices_of

MAX_NAMED = 16
"""Ignored things that are named; a header has little room."""


@dataclass(frozen=True, slots=True)
class ResponseTranslation:
    """One request for a response, translated to a chat completion.

    Attributes
    ----------
    chat : dict
        The body of the chat completion.
    ignored : list of str
        What the request has and no chat completion can.
    """

    chat: dict[str, Any]
    ignored: list[str]
    _request: dict[str, Any]
    _tools: ToolSet

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "ResponseTranslation":
        """Translate a parsed body.

        Raises
        ------
        RequestError
            With the first mistake.
        """
        request = ResponseBody.from_json(body)
        tools, items = ToolSet.from_json(body.get("tools")), MessageList()
        chat = chat_body(request, tools, items)
        ignored = [*request.ignored_fields(), *tools.ignored, *items.ignored]
        if len(ignored) > MAX_NAMED:
            ignored = [*ignored[:MAX_NAMED], f"{len(ignored) - MAX_NAMED} more"]
        return cls(chat, ignored, echo(request), tools)

    def answer(self, completion: JsonObject) -> dict[str, Any]:
        """Return the response of a whole chat completion."""
        builder = OutputBuilder(
            self._tools.called, self._request["id"], EventWriter(is_silent=True)
        )
        choice: JsonObject = next(iter(choices_of(completion)), {})
        status, details = end_of(choice.get("finish_reason"))
        message = choice.get("message")
        builder.feed(choice, _numbered(message if isinstance(message, dict) else {}))
        builder.close(status)
        return response_object(
            self._request,
            status=status,
            answer=completion,
            output=builder.output,
            details=details,
        )

    def stream(self) -> ResponseStream:
        """Return the translation of a stream from its first chunk."""
        return ResponseStream(self._request, self._tools.called)


def response_error(status: int, error: JsonObject) -> dict[str, Any]:
    """Return the body of an error, with the names of this API."""
    param = error.get("param")
    name = CHAT_NAMES.get(str(param))
    if name is None:
        return {"error": dict(error)}
    message = str(error.get("message")).replace(f"{param}:", f"{name}:", 1)
    return {"error": {**error, "message": message, "param": name}}


def _numbered(message: JsonObject) -> dict[str, Any]:
    """Return a message whose calls and details have the index that those of a stream have."""
    numbered = dict(message)
    for name in ("tool_calls", "reasoning_details"):
        entries = message.get(name)
        if isinstance(entries, list):
            known = [entry for entry in entries if isinstance(entry, dict)]
            numbered[name] = [entry | {"index": place} for place, entry in enumerate(known)]
    return numbered
