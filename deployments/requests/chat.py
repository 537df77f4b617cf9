"""The body of a chat completion: the fields that are read, and the body that is passed on."""

from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from deployments.protocol import ModelNotFoundError, RequestError, short_repr, validate
from deployments.requests.parsing import parse_json_object
from deployments.settings import AUTO_ROUTER, AutoRouterPlugin, Limits, RequestOptions, ScopeField
from scope.conversation import Turn
from scope.errors import join_names

AUTO_NAMES = ("auto", "scope/auto")
"""Values of ``model`` that request a decision."""

OWN_FIELDS = ("scope", "model", "plugins")
"""Fields that are not passed on to upstreams as they came."""


ListField = Field(strict=False)  # JSON has lists only: a strict tuple would reject them
Count = Annotated[int, Field(ge=1)]


class Message(BaseModel):
    """One message; fields that are not listed here are passed on unread."""

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
        for index, part in enumerate(content):
            if not isinstance(part.get("type"), str):
                raise ValueError(f"part {index} has no type; expected one such as 'text'")
            if part["type"] == "text" and not isinstance(part.get("text"), str):
                raise ValueError(f"part {index} is of type 'text' and has no text")
        return content

    def parts(self) -> list[dict[str, Any]]:
        """Return the content as parts."""
        if isinstance(self.content, str):
            return [{"type": "text", "text": self.content}]
        return self.content or []

    def text(self) -> str:
        """Return the text of all parts, one per line."""
        return "\n".join(part["text"] for part in self.parts() if part["type"] == "text")

    @cached_property
    def turn(self) -> Turn:
        """The turn of a conversation that this message is, without envelopes of a harness."""
        return Turn.from_message(self.role, self.text())


class ChatRequest(BaseModel):
    """A chat completion; in optional fields null means absent.

    The class is also the schema of the body. Build an instance with `parse` or `from_json`: they
    check the limits, merge the plugin ``auto-router`` into ``scope`` and keep the body.
    """

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
    _body: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_json(cls, body: dict[str, Any], limits: Limits) -> Self:
        """Check a parsed body.

        Raises
        ------
        RequestError
            With the first mistake.
        """
        request = validate(cls, body)
        _check_limit("n", request.n, limits.max_choices)
        for name in ("max_tokens", "max_completion_tokens"):
            _check_limit(name, getattr(request, name), limits.max_completion_tokens)
        options = request.scope
        for index, plugin in enumerate(request.plugins or ()):
            if plugin.get("id") == AUTO_ROUTER:
                parsed = validate(AutoRouterPlugin, plugin, f"plugins[{index}]")
                options = parsed.merged_into(options)
        request = request.model_copy(update={"scope": options})
        request._body = body
        return request

    @classmethod
    def parse(cls, body: bytes, limits: Limits) -> Self:
        """Parse and check a body; raises the same errors."""
        return cls.from_json(parse_json_object(body), limits)

    def explicit_model(self, pool: tuple[str, ...]) -> str | None:
        """Return the model that the client names; None if it requests a decision.

        Raises
        ------
        ModelNotFoundError
            If the model is not in the pool.
        """
        if self.model in AUTO_NAMES:
            return None
        if self.model not in pool:
            raise ModelNotFoundError(
                f"model: {short_repr(self.model)} is not in the pool; "
                f"expected {AUTO_NAMES[0]} or one of {join_names(pool)}",
                "model",
                "model_not_found",
            )
        return self.model

    def extra(self, name: str) -> Any:  # noqa: ANN401 - whatever the client sent
        """Return the value of a field that is passed on unread; None if it is absent."""
        return (self.model_extra or {}).get(name)

    def given_fields(self) -> frozenset[str]:
        """Return the names of the fields that are not null, those that are not read included."""
        return frozenset(name for name, value in self._body.items() if value is not None)

    def completion_tokens(self) -> int | None:
        """Return the largest number of completion tokens that the client allows."""
        return self.max_completion_tokens or self.max_tokens

    def upstream_body(self) -> dict[str, Any]:
        """Return the body for an upstream: the client's, without the model and our own fields."""
        body = {name: value for name, value in self._body.items() if name not in OWN_FIELDS}
        others = [plugin for plugin in self.plugins or () if plugin.get("id") != AUTO_ROUTER]
        if others:
            body["plugins"] = others
        return body


class RouteChatBody(ChatRequest):
    """A chat body sent to ``/v1/route``, which ignores the model that it names."""

    model: Annotated[str, Field(min_length=1)] = AUTO_NAMES[0]


def _check_limit(name: str, value: int | None, limit: int) -> None:
    if value is not None and value > limit:
        raise RequestError(f"{name}: {value} is more than the {limit} allowed here", name)
