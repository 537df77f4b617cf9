"""What decisions are asked for: by a chat, by a prompt, or by a list of prompts."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deployments.body import checked, json_object
from deployments.chat import ChatRequest, RoutedChat
from deployments.conversation import carries_only_tool_results, routed_text, turn_key
from deployments.needs import Needs, estimated_tokens
from deployments.refusals import RefusedError
from deployments.settings import Limits
from deployments.wishes import Scope, Wish

FORMS = ("prompt", "prompts", "messages")
"""Fields of which a body of ``/v1/route`` has one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One decision that is asked for.

    Attributes
    ----------
    text : str
        What the decision is made on; left out of its repr, and so of logs.
    wish : Wish
    needs : Needs
    turn : str or None
        Name of the human turn of a chat without session id; None where there is none.
    continues : bool
        Whether only tools spoke since the model did: the turn stays on its model.
    elsewhere : bool
        Whether its session may belong to another replica: no header led it to this one.
    """

    text: str = field(repr=False)
    wish: Wish
    needs: Needs
    turn: str | None = None
    continues: bool = False
    elsewhere: bool = False

    def in_session(self, header: str | None) -> "Ask":
        """Return the ask as part of the session that a header names, unless its body names one.

        Raises
        ------
        RefusedError
            If the name is too long.
        """
        session_id = self.wish.session_id
        if session_id is not None:
            return replace(self, elsewhere=session_id != header)
        if header is None:
            return self
        wish = checked(Wish, {"session_id": header}, "x-session-id")
        wish = self.wish.model_copy(update={"session_id": wish.session_id})
        return replace(self, wish=wish, turn=None)

    @classmethod
    def of_chat(cls, request: ChatRequest, limits: Limits) -> "Ask":
        """Return what a chat asks for.

        Raises
        ------
        RefusedError
            If it holds no human text, or too much of it.
        """
        messages = request.chat.messages
        return cls(
            text=routed_text(messages, limits.max_prompt_chars),
            wish=request.wish,
            needs=Needs.of(request.chat),
            turn=None if request.wish.session_id else turn_key(messages),
            continues=carries_only_tool_results(messages),
        )


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """Body of ``POST /v1/route``."""

    asks: tuple[Ask, ...]
    listed: bool
    """Whether the client sent a list, and so expects one."""

    @classmethod
    def parse(cls, body: bytes, limits: Limits) -> "RouteRequest":
        """Read a chat body, ``{"prompt": text}`` or ``{"prompts": [text]}``.

        Raises
        ------
        RefusedError
            With the first mistake.
        """
        data = json_object(body)
        given = [name for name in FORMS if name in data]
        if len(given) > 1:
            raise RefusedError(
                f"{' and '.join(given)} exclude each other; give one of them", given[1]
            )
        if "messages" in data:
            chat = ChatRequest.of(data, limits, RoutedChat)
            return cls((Ask.of_chat(chat, limits),), listed=False)
        if "prompts" in data:
            many = checked(PromptsBody, data)
            if len(many.prompts) > limits.max_prompts:
                raise RefusedError(
                    f"prompts: a list of {len(many.prompts)} is too long; "
                    f"at most {limits.max_prompts}",
                    "prompts",
                )
            asks = (
                _of_prompt(prompt, f"prompts[{place}]", many.scope, limits)
                for place, prompt in enumerate(many.prompts)
            )
            return cls(tuple(asks), listed=True)
        one = checked(PromptBody, data)
        return cls((_of_prompt(one.prompt, "prompt", one.scope, limits),), listed=False)


Prompt = Annotated[str, Field(min_length=1)]


class PromptBody(BaseModel):
    """One prompt."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Prompt
    scope: Scope = Wish()


class PromptsBody(BaseModel):
    """A list of prompts that share their wishes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompts: Annotated[tuple[Prompt, ...], Field(strict=False, min_length=1)]
    scope: Scope = Wish()


ROUTE_FORMS = (PromptBody, PromptsBody, RoutedChat)
"""What a body of ``/v1/route`` may be."""


def _of_prompt(prompt: str, where: str, wish: Wish, limits: Limits) -> Ask:
    if not prompt.strip():
        raise RefusedError(f"{where}: only spaces; expected text", where)
    if len(prompt) > limits.max_prompt_chars:
        raise RefusedError(
            f"{where}: {len(prompt)} characters are too many; at most {limits.max_prompt_chars}",
            where,
        )
    return Ask(prompt, wish, Needs(estimated_tokens(prompt.encode())))
