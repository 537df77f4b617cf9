"""Routing requests: what one decision needs of a chat or of a prompt."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deployments.protocol import RequestError, validate
from deployments.requests.chat import ChatRequest, RouteChatBody
from deployments.requests.conversation import (
    continues_turn,
    conversation_key,
    is_whole,
    routing_text,
    turn_key,
)
from deployments.requests.parsing import parse_json_object
from deployments.requests.requirements import Requirements
from deployments.settings import Limits, RequestOptions, ScopeField
from scope.token_estimate import estimated_tokens

BODY_FIELDS = ("prompt", "prompts", "messages")
"""A body of ``/v1/route`` has exactly one of these fields."""


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """The input of one decision.

    Attributes
    ----------
    text : str
        Text to embed; not in the repr, and so not in logs.
    has_user_text : bool
        Whether the text is of a user. Where none is, as in a chat of a system prompt or an image
        only, the models cannot be told apart by it.
    is_cut : bool
        Whether the text is the beginning of a longer one.
    is_whole : bool
        Whether the text is all that a model gets: no other message, attachment or tool.
    options : RequestOptions
    needs : Requirements
    turn : str or None
        Key of the human turn of a chat without a session id; None for a prompt or a session.
    conversation : str or None
        Key of the whole conversation of a chat, for the decision log; None for a prompt.
    is_tool_turn : bool
        Whether the chat ends with nothing of a human, as in a tool loop; then the turn stays on
        its model.
    session_is_remote : bool
        Whether the session may belong to another replica, as no header led the request to this
        one.
    """

    text: str = field(repr=False)
    options: RequestOptions
    needs: Requirements
    turn: str | None = None
    conversation: str | None = None
    is_tool_turn: bool = False
    session_is_remote: bool = False
    has_user_text: bool = True
    is_cut: bool = False
    is_whole: bool = False

    def with_session(self, header: str | None) -> "RoutingRequest":
        """Return the request with the session id of the header; an id in the body wins.

        Raises
        ------
        RequestError
            If the session id is too long.
        """
        session_id = self.options.session_id
        if session_id is not None:
            return replace(self, session_is_remote=session_id != header)
        if header is None:
            return self
        checked = validate(RequestOptions, {"session_id": header}, "x-session-id")
        options = self.options.model_copy(update={"session_id": checked.session_id})
        return replace(self, options=options, turn=None)

    def with_metadata(self, of_key: Mapping[str, str]) -> "RoutingRequest":
        """Return the request with what is known of all questions of its key; its own values win."""
        metadata = {**of_key, **self.options.metadata}
        return replace(self, options=self.options.model_copy(update={"metadata": metadata}))

    def without_fields(self, names: frozenset[str]) -> "RoutingRequest":
        """Return the request as one that a model can answer without knowing these fields."""
        return replace(self, needs=replace(self.needs, fields=self.needs.fields - names))

    @classmethod
    def from_chat(cls, request: ChatRequest, limits: Limits) -> "RoutingRequest":
        """Return the routing request of a chat; a text above the limit is cut."""
        text, is_cut, is_of_user = routing_text(request.messages, limits.max_prompt_chars)
        needs = Requirements.from_chat(request)
        return cls(
            text=text,
            has_user_text=is_of_user,
            is_cut=is_cut,
            is_whole=is_whole(request.messages, text) and not needs.tools,
            options=request.scope,
            needs=needs,
            conversation=conversation_key(request.messages),
            turn=None if request.scope.session_id else turn_key(request.messages),
            is_tool_turn=continues_turn(request.messages),
        )

    @classmethod
    def from_prompt(
        cls, prompt: str, options: RequestOptions, limits: Limits, *, field: str
    ) -> "RoutingRequest":
        """Return the routing request of a prompt, cut at the limit; `field` names it in messages.

        Raises
        ------
        RequestError
            If the prompt is blank.
        """
        if not prompt.strip():
            raise RequestError(f"{field}: only spaces; expected text", field)
        text, needs = prompt[: limits.max_prompt_chars], estimated_tokens(prompt.encode())
        is_cut = len(prompt) > len(text)
        return cls(text, options, Requirements(needs), is_cut=is_cut, is_whole=not is_cut)


Prompt = Annotated[str, Field(min_length=1)]


class PromptBody(BaseModel):
    """One prompt."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Prompt
    scope: ScopeField = RequestOptions()


class PromptsBody(BaseModel):
    """A list of prompts that share their options."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompts: Annotated[tuple[Prompt, ...], Field(strict=False, min_length=1)]
    scope: ScopeField = RequestOptions()


ROUTE_BODIES = (PromptBody, PromptsBody, RouteChatBody)
"""Schemas of which a body of ``/v1/route`` satisfies one."""


@dataclass(frozen=True, slots=True)
class RouteBody:
    """Body of ``POST /v1/route``."""

    requests: tuple[RoutingRequest, ...]
    is_batch: bool
    """Whether the client sent a list and expects one."""

    @classmethod
    def parse(cls, body: bytes, limits: Limits) -> "RouteBody":
        """Parse a chat body, ``{"prompt": text}`` or ``{"prompts": [text]}``.

        Raises
        ------
        RequestError
            With the first mistake.
        """
        data = parse_json_object(body)
        given = [name for name in BODY_FIELDS if name in data]
        if len(given) > 1:
            raise RequestError(
                f"{' and '.join(given)} exclude each other; give one of them", given[1]
            )
        if "messages" in data:
            chat = RouteChatBody.from_json(data, limits)
            return cls((RoutingRequest.from_chat(chat, limits),), is_batch=False)
        if "prompts" in data:
            return cls(_parse_prompts(validate(PromptsBody, data), limits), is_batch=True)
        single = validate(PromptBody, data)
        request = RoutingRequest.from_prompt(single.prompt, single.scope, limits, field="prompt")
        return cls((request,), is_batch=False)


def _parse_prompts(body: PromptsBody, limits: Limits) -> tuple[RoutingRequest, ...]:
    if len(body.prompts) > limits.max_prompts:
        raise RequestError(
            f"prompts: a list of {len(body.prompts)} is too long; at most {limits.max_prompts}",
            "prompts",
        )
    return tuple(
        RoutingRequest.from_prompt(prompt, body.scope, limits, field=f"prompts[{index}]")
        for index, prompt in enumerate(body.prompts)
    )
