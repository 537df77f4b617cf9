"""The body of a chat completion: what of it we read, and what is passed on."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deployments.protocol import ModelNotFoundError, RequestError, short_repr
from deployments.requests.parsing import parse_json_object, validate
from deployments.settings import AUTO_ROUTER, AutoRouterPlugin, Limits, RequestOptions, ScopeField
from scope.errors import join_names

AUTO_NAMES = ("auto", "scope/auto")
"""Names of no model: they ask for a decision."""

OWN_FIELDS = ("scope", "model", "plugins")
"""Fields that upstreams do not get as they came."""


ListField = Field(strict=False)  # JSON has lists only: a strict tuple would refuse them
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


class ChatBody(BaseModel):
    """The fields that are read; null means absent where a field is optional."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[tuple[Message, ...], ListField, Field(min_length=1, repr=False)]
    stream: bool | None = None
    n: Count | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    tools: Annotated[tuple[dict[str, Any], ...], ListField] | None = None
    response_format: dict[str, Any] | None = None
    plugins: Annotated[tuple[dict[str, Any], ...], ListField] | None = None
    scope: ScopeField = RequestOptions()

    def explicit_model(self, pool: tuple[str, ...]) -> str | None:
        """Return the model that the client insists on; None if it wants a decision.

        Raises
        ------
        ModelNotFoundError
            If it is not in the pool.
        """
        if self.model in AUTO_NAMES:
            return None
        if self.model not in pool:
            raise ModelNotFoundError(
                f"model: {short_repr(self.model)} is not here; "
                f"expected {AUTO_NAMES[0]} or one of {join_names(pool)}",
                "model",
                "model_not_found",
            )
        return self.model

    def completion_tokens(self) -> int | None:
        """Return the most tokens that the client wants in an answer."""
        return self.max_completion_tokens or self.max_tokens


class RouteChatBody(ChatBody):
    """A chat body sent to ``/v1/route``; the model it names changes nothing there."""

    model: Annotated[str, Field(min_length=1)] = AUTO_NAMES[0]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked chat completion with the body it came in."""

    chat: ChatBody
    options: RequestOptions
    raw: dict[str, Any] = field(repr=False)

    @classmethod
    def from_json(
        cls, raw: dict[str, Any], limits: Limits, kind: type[ChatBody] = ChatBody
    ) -> Self:
        """Check a body.

        Raises
        ------
        RequestError
            With the first mistake.
        """
        chat = validate(kind, raw)
        _check_limit("n", chat.n, limits.max_choices)
        for name in ("max_tokens", "max_completion_tokens"):
            _check_limit(name, getattr(chat, name), limits.max_completion_tokens)
        wish = chat.scope
        for place, plugin in enumerate(chat.plugins or ()):
            if plugin.get("id") == AUTO_ROUTER:
                wish = validate(AutoRouterPlugin, plugin, f"plugins[{place}]").merged_into(wish)
        return cls(chat, wish, raw)

    @classmethod
    def parse(cls, body: bytes, limits: Limits) -> Self:
        """Read and check the bytes of a body; raises the same."""
        return cls.from_json(parse_json_object(body), limits)

    def upstream_body(self) -> dict[str, Any]:
        """Return what is sent on: all as it came, but for the model and fields that are ours."""
        body = {name: value for name, value in self.raw.items() if name not in OWN_FIELDS}
        others = [plugin for plugin in self.chat.plugins or () if plugin.get("id") != AUTO_ROUTER]
        if others:
            body["plugins"] = others
        return body


def _check_limit(name: str, value: int | None, most: int) -> None:
    if value is not None and value > most:
        raise RequestError(f"{name}: {value} is more than the {most} allowed here", name)
