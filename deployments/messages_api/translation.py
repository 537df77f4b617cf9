"""One request of the Messages API as a chat completion, and what answers it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from deployments.messages_api.answer import message_of
from deployments.messages_api.body import CountTokensBody, MessagesBody
from deployments.messages_api.conversation import chat_messages
from deployments.messages_api.fields import Ignored
from deployments.messages_api.stream import MessageEvents
from deployments.messages_api.tools import tool_fields
from deployments.protocol import validate

SAME_FIELDS = (
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stream",
    "scope",
    "plugins",
)
"""Fields that a chat completion has under the same name."""

READ_FIELDS = frozenset(
    {
        *SAME_FIELDS,
        "cache_control",
        "messages",
        "metadata",
        "output_config",
        "output_format",
        "service_tier",
        "stop_sequences",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)

MEANINGLESS_FIELDS = frozenset({"anthropic_beta", "anthropic_version", "betas", "diagnostics"})
"""Fields without which an answer is the same."""

EFFORTS = {"max": "xhigh"}
"""Effort -> OpenAI's word, where it has another one."""

TIERS = {"standard_only": "default"}

MAX_USER_CHARS = 64
"""Longest ``user`` that OpenAI accepts; the ids of Claude Code are longer."""


@dataclass(frozen=True, slots=True)
class MessagesTranslation:
    """One request, translated to a chat completion.

    Attributes
    ----------
    chat : dict
        The body of the chat completion.
    ignored : sequence of str
        What the request has and no chat completion can.
    stop_sequences : sequence of str
        Of the request: the answer says which of them ended it.
    """

    chat: dict[str, Any]
    ignored: Sequence[str] = ()
    stop_sequences: Sequence[str] = ()

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        """Translate the body of a request for an answer.

        Raises
        ------
        RequestError
            With the first mistake, by the names of this API.
        """
        validate(MessagesBody, body)
        return cls._of_checked(body)

    @classmethod
    def to_count(cls, body: dict[str, Any]) -> Self:
        """Translate the body of a request for a token count; raises the same errors."""
        validate(CountTokensBody, body)
        return cls._of_checked(body)

    @classmethod
    def _of_checked(cls, body: dict[str, Any]) -> Self:
        ignored = Ignored()
        chat = {name: body[name] for name in SAME_FIELDS if body.get(name) is not None}
        chat["messages"] = chat_messages(body, ignored)
        chat |= tool_fields(body, ignored)
        chat |= _reasoning_fields(body, ignored)
        chat |= _format_fields(body)
        chat |= _other_fields(body)
        for name in body:
            if name not in READ_FIELDS | MEANINGLESS_FIELDS and body[name] not in (None, [], {}):
                ignored.add(name)
        return cls(chat, ignored.names(), tuple(body.get("stop_sequences") or ()))

    def answer(self, completion: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a whole chat completion."""
        return message_of(completion, self.stop_sequences)

    def stream(self) -> MessageEvents:
        """Return the translation of a stream from its first chunk."""
        return MessageEvents(self.stop_sequences)


def _reasoning_fields(body: Mapping[str, Any], ignored: Ignored) -> dict[str, Any]:
    """Return ``reasoning`` and ``reasoning_effort`` of OpenRouter's and OpenAI's API."""
    thinking = body.get("thinking") or {}
    effort = (body.get("output_config") or {}).get("effort")
    fields: dict[str, Any] = {}
    if thinking.get("budget_tokens") is not None:
        fields["reasoning"] = {"max_tokens": thinking["budget_tokens"]}
    elif thinking:
        fields["reasoning"] = {"enabled": thinking["type"] != "disabled"}
    if effort is not None:
        fields["reasoning_effort"] = EFFORTS.get(effort, effort)
    if thinking.get("display") is not None:
        ignored.add("thinking.display")
    return fields


def _format_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if form is None:
        return {}
    schema = {"name": "answer", "schema": form["schema"], "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _other_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if body.get("stop_sequences"):
        fields["stop"] = body["stop_sequences"]
    if user := (body.get("metadata") or {}).get("user_id"):
        is_long = len(user) > MAX_USER_CHARS
        fields["user"] = hashlib.sha256(user.encode()).hexdigest() if is_long else user
    if tier := body.get("service_tier"):
        fields["service_tier"] = TIERS.get(tier, tier)
    return fields
