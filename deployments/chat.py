"""The body of a chat completion: what of it we read, and what is passed on."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deployments.body import checked, json_object
from deployments.mistakes import shown
from deployments.refusals import NoSuchModelError, RefusedError
from deployments.settings import Limits
from deployments.wishes import AUTO_ROUTER, AutoRouter, Scope, Wish
from scope.errors import listed

AUTO = ("auto", "scope/auto")
"""Names of no model: they ask for a decision."""

OURS = ("scope", "model", "plugins")
"""Fields that upstreams do not get as they came."""


Listed = Field(strict=False)  # JSON has lists only: a strict tuple would refuse them
Count = Annotated[int, Field(ge=1)]


class Message(BaseModel):
    """One message; whatever else it holds is the upstream's affair."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    role: Annotated[str, Field(min_length=1)]
    content: Annotated[Any, Field(repr=False)] = None

    @field_validator("content")
    @classmethod
    def _text_or_parts(cls, content: object) -> object:
        if content is None or isinstance(content, str):
            return content
        if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
            raise ValueError("expected text, a list of parts, or null")
        for place, part in enumerate(content):
            if not isinstance(part.get("type"), str):
                raise ValueError(f"part {place} has no type; expected one such as 'text'")
            if part["type"] == "text" and not isinstance(part.get("text"), str):
                raise ValueError(f"part {place} is of type 'text' and holds no text")
        return content

    def parts(self) -> list[dict[str, Any]]:
        """Return the content as parts."""
        if isinstance(self.content, str):
            return [{"type": "text", "text": self.content}]
        return self.content or []

    def text(self) -> str:
        """Return the text of all parts, a line between them."""
        return "\n".join(part["text"] for part in self.parts() if part["type"] == "text")


class Chat(BaseModel):
    """The fields that are read; null means absent where a field is optional."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[tuple[Message, ...], Listed, Field(min_length=1, repr=False)]
    stream: bool | None = None
    n: Count | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    tools: Annotated[tuple[dict[str, Any], ...], Listed] | None = None
    response_format: dict[str, Any] | None = None
    plugins: Annotated[tuple[dict[str, Any], ...], Listed] | None = None
    scope: Scope = Wish()

    def pinned(self, pool: tuple[str, ...]) -> str | None:
        """Return the model that the client insists on; None if it wants a decision.

        Raises
        ------
        NoSuchModelError
            If it is not in the pool.
        """
        if self.model in AUTO:
            return None
        if self.model not in pool:
            raise NoSuchModelError(
                f"model: {shown(self.model)} is not here; "
                f"expected {AUTO[0]} or one of {listed(pool)}",
                "model",
                "model_not_found",
            )
        return self.model

    def completion_tokens(self) -> int | None:
        """Return the most tokens that the client wants in an answer."""
        return self.max_completion_tokens or self.max_tokens


class RoutedChat(Chat):
    """A chat body sent to ``/v1/route``; the model it names changes nothing there."""

    model: Annotated[str, Field(min_length=1)] = AUTO[0]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked chat completion with the body it came in."""

    chat: Chat
    wish: Wish
    raw: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, raw: dict[str, Any], limits: Limits, kind: type[Chat] = Chat) -> Self:
        """Check a body.

        Raises
        ------
        RefusedError
            With the first mistake.
        """
        chat = checked(kind, raw)
        _refuse_excess("n", chat.n, limits.max_choices)
        for name in ("max_tokens", "max_completion_tokens"):
            _refuse_excess(name, getattr(chat, name), limits.max_completion_tokens)
        wish = chat.scope
        for place, plugin in enumerate(chat.plugins or ()):
            if plugin.get("id") == AUTO_ROUTER:
                wish = checked(AutoRouter, plugin, f"plugins[{place}]").joined(wish)
        return cls(chat, wish, raw)

    @classmethod
    def parse(cls, body: bytes, limits: Limits) -> Self:
        """Read and check the bytes of a body; raises the same."""
        return cls.of(json_object(body), limits)

    def upstream_body(self) -> dict[str, Any]:
        """Return what is sent on: all as it came, but for the model and fields that are ours."""
        body = {name: value for name, value in self.raw.items() if name not in OURS}
        others = [plugin for plugin in self.chat.plugins or () if plugin.get("id") != AUTO_ROUTER]
        if others:
            body["plugins"] = others
        return body


def _refuse_excess(name: str, value: int | None, most: int) -> None:
    if value is not None and value > most:
        raise RefusedError(f"{name}: {value} is more than the {most} allowed here", name)
