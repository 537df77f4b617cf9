"""The text of a conversation that a decision is made on."""

import hashlib
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from pydantic_core import to_json

from deployments.requests.chat import Message
from scope.conversation import Turn, conversation_text, latest_human

TOOL_ROLES = ("tool", "function")
MACHINE_ROLES = (*TOOL_ROLES, "system", "developer")
"""Roles of messages that no human and no model wrote."""
MACHINE_PARTS = ("tool_result",)
"""Parts by which clients of other providers put tool results into user messages."""


class RoutingText(NamedTuple):
    """The text that a decision is made on."""

    text: str
    is_cut: bool
    """Whether it is the beginning of a longer one."""
    is_of_user: bool = True


def routing_text(messages: Sequence[Message], max_chars: int) -> RoutingText:
    """Return the text of a chat, as `conversation_text` has it: that of its latest human turn.

    A turn of tool results or of envelopes has the text of the turn that it belongs to. Where no
    human turn has text, it is that of all messages: its length tells what they cost.

    Parameters
    ----------
    messages : sequence of Message
    max_chars : int
        Length at which the latest human message is cut.
    """
    turns = [message.turn for message in messages]
    latest = latest_human(turns)
    if latest is None:
        whole = "\n\n".join(message.text() for message in messages)
        return RoutingText(whole[:max_chars], is_cut=False, is_of_user=False)
    is_cut = len(turns[latest].text) > max_chars
    turns[latest] = Turn("user", turns[latest].text[:max_chars])
    return RoutingText(conversation_text(turns, latest), is_cut)


def continues_turn(messages: Sequence[Message]) -> bool:
    """Return whether there are messages after the model's last one, and none is of a human.

    They are tool results, envelopes of a harness and system messages: what a tool loop adds.
    Images without a word after a tool result are the tool's: its own message may hold only text.
    """
    added = list(takewhile(lambda message: message.role != "assistant", reversed(messages)))
    before = [*added[1:], None]
    return 0 < len(added) < len(messages) and not any(
        _is_of_human(message) and not _is_of_tool(message, previous)
        for message, previous in zip(added, before, strict=True)
    )


def turn_key(messages: Sequence[Message]) -> str:
    """Return a key of the latest human turn, the same for all its tool calls.

    So an agent without a session id stays on its model within a turn. The key is the SHA-256 of
    what humans and the model wrote up to the latest human turn. Envelopes, tool results, system
    messages and marks of prompt caches do not count: harnesses move, add and shorten them between
    two calls. Two conversations with the same words have the same key; as the model that a turn
    stays on must serve the request, one can at most take the other's choice. Where no human turn
    has text, the key is of everything before the model's first message.
    """
    latest = latest_human([message.turn for message in messages])
    if latest is None:
        start = takewhile(lambda message: message.role != "assistant", messages)
        return hashlib.sha256(to_json(list(start))).hexdigest()
    written = [_written(message) for message in messages[: latest + 1]]
    return hashlib.sha256(to_json([parts for parts in written if parts])).hexdigest()


def conversation_key(messages: Sequence[Message]) -> str:
    """Return a key of a conversation, the same for all its turns: `turn_key` of the first.

    Two conversations that begin with the same words have the same key.
    """
    first = next((n for n, message in enumerate(messages) if _is_of_human(message)), None)
    return turn_key(messages if first is None else messages[: first + 1])


def is_whole(messages: Sequence[Message], text: str) -> bool:
    """Return whether a text is all that these messages say: one of a user, of text alone."""
    only = messages[0]
    has_text_alone = all(part["type"] == "text" for part in only.parts())
    return len(messages) == 1 and only.role == "user" and has_text_alone and only.text() == text


def _written(message: Message) -> list[Any]:
    """Return the role, text and attachments of a message; nothing if it has neither."""
    text = message.turn.text.strip()
    if message.role == "assistant":
        return [message.role, text] if text else []
    if not _is_of_human(message):
        return []
    attached = [
        {name: value for name, value in part.items() if name != "cache_control"}
        for part in _attachments(message)
    ]
    return [message.role, text, *attached]


def _attachments(message: Message) -> list[dict[str, Any]]:
    return [part for part in message.parts() if part["type"] not in ("text", *MACHINE_PARTS)]


def _is_of_tool(message: Message, previous: Message | None) -> bool:
    follows = previous is not None and previous.role in TOOL_ROLES
    return follows and not message.turn.text.strip()


def _is_of_human(message: Message) -> bool:
    return message.role not in MACHINE_ROLES and bool(
        message.turn.text.strip() or _attachments(message)
    )
