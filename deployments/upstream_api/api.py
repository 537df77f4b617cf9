"""What a call of an upstream depends on its API for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from deployments.upstream_api.answer import chat_completion
from deployments.upstream_api.request import messages_request
from deployments.upstream_api.stream import CompletionChunks
from scope.upstream import holds_events, read_completion

ApiName = Literal["chat", "messages"]

Redact = Callable[[str], str]
"""Removes the key of the upstream from a text."""

FORWARDED = (
    "idempotency-key",
    "x-request-id",
    "x-client-request-id",
    "traceparent",
    "tracestate",
)
"""Headers of the client that upstreams get; its key and its cookies never are among them.

While tracing is on, the last two are those of the call's own span."""

ANTHROPIC_VERSION = "2023-06-01"


class EventTranslation(Protocol):
    """Translates the events of one stream to chunks of a chat completion."""

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunks that are complete with a piece of the upstream's body."""
        ...

    def finish(self) -> bytes:
        """Return the rest after the upstream's last byte."""
        ...


@dataclass(frozen=True, slots=True)
class UpstreamApi:
    """An API that upstreams speak.

    Attributes
    ----------
    path : str
        Follows the base URL.
    forwarded : tuple of str
        Headers of the client that are sent; its key and its cookies never are.
    headers : callable
        Maps the key of the upstream, or None, to the headers of the API.
    body : callable
        Maps the body of a chat completion and the name of the model to the body of a call; raises
        `UpstreamError` for what the API cannot say.
    read_answer : callable
        Maps the content of an answer with status 200, and what redacts it, to a chat completion;
        raises `UpstreamError`.
    translate_events : callable or None
        Returns the translation of one stream; None: its events are chunks of a chat completion.
    """

    path: str
    forwarded: tuple[str, ...]
    headers: Callable[[str | None], dict[str, str]]
    body: Callable[[Mapping[str, Any], str], dict[str, Any]]
    read_answer: Callable[[bytes, Redact], dict[str, Any]]
    translate_events: Callable[[], EventTranslation] | None = None


def _bearer(key: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def _chat_body(chat: Mapping[str, Any], model: str) -> dict[str, Any]:
    return {**chat, "model": model}


def _read_chat(content: bytes, redact: Redact) -> dict[str, Any]:
    with read_completion(content, redact) as data:
        data["choices"][0]["message"]
        return dict(data)


def _x_api_key(key: str | None) -> dict[str, str]:
    return {"anthropic-version": ANTHROPIC_VERSION, **({"x-api-key": key} if key else {})}


def _read_message(content: bytes, redact: Redact) -> dict[str, Any]:
    if holds_events(content):
        events = CompletionChunks()
        return _read_chat(events.feed(content) + events.finish(), redact)
    with read_completion(content, redact) as message:
        return chat_completion(message)


APIS: Mapping[str, UpstreamApi] = {
    "chat": UpstreamApi("/chat/completions", FORWARDED, _bearer, _chat_body, _read_chat),
    "messages": UpstreamApi(
        "/messages",
        (*FORWARDED, "anthropic-beta", "anthropic-version"),
        _x_api_key,
        messages_request,
        _read_message,
        CompletionChunks,
    ),
}
"""`UpstreamSettings.api` -> the API."""
