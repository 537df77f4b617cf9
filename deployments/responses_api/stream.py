"""The events of a streamed response, made of the chunks of a chat completion."""

from collections.abc import Mapping
from typing import Any

from deployments.responses_api.answer import end_of, response_object
from deployments.responses_api.events import EventWriter
from deployments.responses_api.fields import JsonObject
from deployments.responses_api.output import OutputBuilder
from deployments.responses_api.tools import CalledTool
from scope.upstream import choices_of

RATE_LIMITED = "rate_limit_exceeded"
SERVER_ERROR = "server_error"
KEPT = ("model", "usage", "scope")
"""Fields of chunks that the last event repeats."""


class ResponseStream:
    """The events of one stream.

    Parameters
    ----------
    request : mapping
        What the response repeats of its request.
    called : mapping of str to CalledTool
        The tools of the request.
    """

    def __init__(self, request: JsonObject, called: Mapping[str, CalledTool]) -> None:
        self._request, self._events = request, EventWriter()
        self._answer: dict[str, Any] = {}
        self._finish_reason: object = None
        self._builder = OutputBuilder(called, request["id"], self._events)

    def feed(self, chunk: JsonObject) -> bytes:
        """Return the events that a chunk stands for."""
        for name in KEPT:
            if chunk.get(name) is not None:
                self._answer[name] = chunk[name]
        self._start()
        for choice in choices_of(chunk)[:1]:
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            if isinstance(delta := choice.get("delta"), dict):
                self._builder.feed(choice, delta)
        return self._events.take()

    def finish(self) -> bytes:
        """Return the events after the last chunk of a whole answer; OpenAI sends no ``[DONE]``."""
        self._start()
        status, details = end_of(self._finish_reason)
        self._builder.close(status)
        response = self._response(status, details=details)
        self._events.write(f"response.{status}", response=response)
        return self._events.take()

    def fail(self, error: JsonObject) -> bytes:
        """Return the last events of a stream that broke.

        ``response.failed`` is the end of a response; OpenAI's client raises at ``error``, in the
        field ``error`` of the event as OpenAI sends it, and not at its documented fields.
        """
        self._start()
        self._events.is_silent = True
        self._builder.close("incomplete")  # without events: no client may act on half a call
        self._events.is_silent = False
        message, code = str(error.get("message")), error.get("code")
        kind = RATE_LIMITED if RATE_LIMITED in (code, error.get("type")) else SERVER_ERROR
        failure = {"code": kind, "message": message}
        response = self._response("failed", error=failure)
        self._events.write("response.failed", response=response)
        told = {**failure, "param": None}
        self._events.write(
            "error", **told, error={**told, "type": error.get("type") or SERVER_ERROR}
        )
        return self._events.take()

    def _start(self) -> None:
        if not self._events.has_begun:
            for status in ("created", "in_progress"):
                self._events.write(f"response.{status}", response=self._response("in_progress"))

    def _response(self, status: str, **more: JsonObject | None) -> dict[str, Any]:
        output = self._builder.output
        return response_object(
            self._request, status=status, answer=self._answer, output=output, **more
        )
