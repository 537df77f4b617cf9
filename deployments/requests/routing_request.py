"""What decisions are asked for: by a chat, by a prompt, or by a list of prompts."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deployments.protocol import RequestError
from deployments.requests.chat import ChatRequest, RouteChatBody
from deployments.requests.conversation import carries_only_tool_results, routing_text, turn_key
from deployments.requests.parsing import parse_json_object, validate
from deployments.requests.requirements import Requirements, estimated_tokens
from deployments.settings import Limits, RequestOptions, ScopeField

BODY_FIELDS = ("prompt", "prompts", "messages")
"""Fields of which a body of ``/v1/route`` has one."""


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """One decision that is asked for.

    Attributes
    ----------
    text : str
        What the decision is made on; left out of its repr, and so of logs.
    wish : RequestOptions
    needs : Requirements
    turn : str or None
        Name of the human turn of a chat without session id; None where there is none.
    continues : bool
        Whether only tools spoke since the model did: the turn stays on its model.
    elsewhere : bool
        Whether its session may belong to another replica: no header led it to this one.
    """

    text: str = field(repr=False)
    options: RequestOptions
    needs: Requirements
    turn: str | None = None
    is_tool_turn: bool = False
    session_is_remote: bool = False

    def with_session(self, header: str | None) -> "RoutingRequest":
        """Return the ask as part of the session that a header names, unless its body names one.

        Raises
        ------
        RequestError
            If the name is too long.
        """
        session_id = self.options.session_id
        if session_id is not None:
            return replace(self, session_is_remote=session_id != header)
        if header is None:
            return self
        wish = validate(RequestOptions, {"session_id": header}, "x-session-id")
        wish = self.options.model_copy(update={"session_id": wish.session_id})
        return replace(self, options=wish, turn=None)

    @classmethod
    def from_chat(cls, request: ChatRequest, limits: Limits) -> "RoutingRequest":
        """Return what a chat asks for.

        Raises
        ------
        RequestError
            If it holds no human text, or too much of it.
        """
        messages = request.chat.messages
        return cls(
            text=routing_text(messages, limits.max_prompt_chars),
            options=request.options,
            needs=Requirements.from_chat(request.chat),
            turn=None if request.options.session_id else turn_key(messages),
            is_tool_turn=carries_only_tool_results(messages),
        )


@dataclass(frozen=True, slots=True)
class RouteBody:
    """Body of ``POST /v1/route``."""

    requests: tuple[RoutingRequest, ...]
    is_batch: bool
    """Whether the client sent a list, and so expects one."""

    @classmethod
    def parse(cls, body: bytes, limits: Limits) -> "RouteBody":
        """Read a chat body, ``{"prompt": text}`` or ``{"prompts": [text]}``.

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
            chat = ChatRequest.from_json(data, limits, RouteChatBody)
            return cls((RoutingRequest.from_chat(chat, limits),), is_batch=False)
        if "prompts" in data:
            many = validate(PromptsBody, data)
            if len(many.prompts) > limits.max_prompts:
                raise RequestError(
                    f"prompts: a list of {len(many.prompts)} is too long; "
                    f"at most {limits.max_prompts}",
                    "prompts",
                )
            asks = (
                _of_prompt(prompt, f"prompts[{place}]", many.scope, limits)
                for place, prompt in enumerate(many.prompts)
            )
            return cls(tuple(asks), is_batch=True)
        one = validate(PromptBody, data)
        return cls((_of_prompt(one.prompt, "prompt", one.scope, limits),), is_batch=False)


Prompt = Annotated[str, Field(min_length=1)]


class PromptBody(BaseModel):
    """One prompt."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Prompt
    scope: ScopeField = RequestOptions()


class PromptsBody(BaseModel):
    """A list of prompts that share their wishes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompts: Annotated[tuple[Prompt, ...], Field(strict=False, min_length=1)]
    scope: ScopeField = RequestOptions()


ROUTE_BODIES = (PromptBody, PromptsBody, RouteChatBody)
"""What a body of ``/v1/route`` may be."""


def _of_prompt(prompt: str, where: str, wish: RequestOptions, limits: Limits) -> RoutingRequest:
    if not prompt.strip():
        raise RequestError(f"{where}: only spaces; expected text", where)
    if len(prompt) > limits.max_prompt_chars:
        raise RequestError(
            f"{where}: {len(prompt)} characters are too many; at most {limits.max_prompt_chars}",
            where,
        )
    return RoutingRequest(prompt, wish, Requirements(estimated_tokens(prompt.encode())))
