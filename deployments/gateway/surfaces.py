"""Endpoints in other APIs than chat completions: their requests and answers are translated."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import from_json

from deployments.messages_api import MessagesTranslation, anthropic_error
from deployments.responses_api import ResponseTranslation, response_error
from scope.upstream import event_data, event_text, split_events

JsonObject = Mapping[str, Any]


class StreamTranslation(Protocol):
    """The events of one stream, made of the chunks of a chat completion."""

    def feed(self, chunk: JsonObject) -> bytes:
        """Return the events that a chunk stands for; the last one has the usage and ``scope``."""
        ...

    def finish(self) -> bytes:
        """Return the events after the last chunk of a whole answer."""
        ...

    def fail(self, error: JsonObject) -> bytes:
        """Return the last event of a stream that broke, of an error in OpenAI's format."""
        ...


class Translation(Protocol):
    """One request, translated to a chat completion."""

    @property
    def chat(self) -> dict[str, Any]:
        """The body of the chat completion."""
        ...

    @property
    def ignored(self) -> Sequence[str]:
        """What the request has and no chat completion can, such as ``tools[0] (web_search)``."""
        ...

    def answer(self, completion: JsonObject) -> dict[str, Any]:
        """Return the body of the answer, of a whole chat completion with its field ``scope``."""
        ...

    def stream(self) -> StreamTranslation:
        """Return the translation of a stream from its first chunk."""
        ...


@dataclass(frozen=True, slots=True)
class Surface:
    """An API that an endpoint speaks.

    Attributes
    ----------
    endpoint : str
        Its label in metrics and in the decision log.
    translate : callable
        Maps the body of a request to its `Translation`; raises `RequestError`.
    error_body : callable
        Maps an HTTP status and an error in OpenAI's format to the body of an error response.
    """

    endpoint: str
    translate: Callable[[dict[str, Any]], Translation]
    error_body: Callable[[int, JsonObject], dict[str, Any]]


MESSAGES = Surface("messages", MessagesTranslation.from_json, anthropic_error)
COUNT_TOKENS = Surface("count_tokens", MessagesTranslation.to_count, anthropic_error)
RESPONSES = Surface("responses", ResponseTranslation.from_json, response_error)

RESPONSES = Surface("responses", ResponseTranslation.from_json, response_error)

SURFACES: Mapping[str, Surface] = {
    surface.endpoint: surface for surface in (MESSAGES, COUNT_TOKENS, RESPONSES)
}
"""Endpoint -> its API."""


async def translated_events(
    chunks: AsyncIterator[bytes], translation: StreamTranslation
) -> AsyncGenerator[bytes, None]:
    """Yield the events of a stream as a client of another API expects them.

    Parameters
    ----------
    chunks : async iterator of bytes
        Whole events of a chat completion, several or none in each.
    translation : StreamTranslation
    """
    async for block in chunks:
        out = b""
        for event in split_events(block):
            data = _read(event)
            if data is None:  # a comment, or [DONE]
                continue
            error = data.get("error")
            if error and isinstance(error, dict) and not data.get("choices"):
                yield out + translation.fail(error)
                return
            out += translation.feed(data)
        if out:
            yield out
    yield translation.finish()


def _read(event: bytes) -> dict[str, Any] | None:
    """Return the JSON object of an event as `event_data` does, five times as fast.

    Half a character, in which a truncated text may end, is read by the slow way alone.
    """
    is_one_line = event.startswith(b"data:") and event.find(b"\n") == len(event) - 2
    try:
        data = from_json(event[5:] if is_one_line else event_text(event))
    except ValueError:
        return event_data(event)
    return data if isinstance(data, dict) else None
