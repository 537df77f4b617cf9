"""The text of a conversation that a decision is made on."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import to_json

from deployments.requests.chat import Message
from scope.conversation import Turn, conversation_text, latest_human

TOOL_ROLES = ("tool", "function")
TOOL_PARTS = ("tool_result",)
"""Parts by which clients of other providers put tool results into user messages."""


class RoutingText(NamedTuple):
    """The text that a decision is made on."""

    text: str
    is_cut: bool
    """Whether it is the beginning of a longer one."""
    is_of_user: bool = True


def routing_text(messages: Sequence[Message], max_chars: int) -> RoutingText:
    """Return the text of a chat, as `conversation_text` has it: that of its latest human turn.

    A turn of tool results has the text of the turn that it belongs to. Where no human turn has
    text, it is that of all messages: its length tells what they cost.

    Parameters
    ----------
    messages : sequence of Message
    max_chars : int
        Length at which the latest human message is cut.
    """
    turns = [Turn(message.role, message.text()) for message in messages]
    latest = latest_human(turns)
    if latest is None:
        whole = "\n\n".join(turn.text for turn in turns)
        return RoutingText(whole[:max_chars], is_cut=False, is_of_user=False)
    is_cut = len(turns[latest].text) > max_chars
    turns[latest] = Turn("user", turns[latest].text[:max_chars])
    return RoutingText(conversation_text(turns, latest), is_cut)


def carries_only_tool_results(messages: Sequence[Message]) -> bool:
    """Return whether all messages after the model's last one, if any, are tool results."""
    results = 0
    for message in reversed(messages):
        if message.role == "assistant":
            break
        if not _is_tool_result(message):
            return False
        results += 1
    return results > 0


def turn_key(messages: Sequence[Message]) -> str:
    """Return a key of the latest human turn, the same for all its tool calls.

    The key is the SHA-256 of all messages up to the latest human one, so that an agent without
    a session id stays on its model within a turn.
    """
    latest = latest_human([Turn(message.role, message.text()) for message in messages])
    turn = messages if latest is None else messages[: latest + 1]
    return hashlib.sha256(to_json(list(turn))).hexdigest()


def _is_tool_result(message: Message) -> bool:
    if message.role in TOOL_ROLES:
        return True
    kinds = [part["type"] for part in message.parts()]
    return message.role == "user" and bool(kinds) and all(kind in TOOL_PARTS for kind in kinds)
