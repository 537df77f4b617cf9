"""The text of a conversation that a decision is made on."""

import hashlib
from collections.abc import Sequence

from pydantic_core import to_json

from deployments.protocol import RequestError
from deployments.requests.chat import Message
from scope.conversation import Turn, conversation_text, latest_human

TOOL_ROLES = ("tool", "function")
TOOL_PARTS = ("tool_result",)
"""Parts by which clients of other providers put tool results into user messages."""


def routing_text(messages: Sequence[Message], max_chars: int) -> str | None:
    """Return the text of a chat, as `conversation_text` has it: that of its latest human turn.

    A turn of tool results has the text of the turn that it belongs to.

    Parameters
    ----------
    messages : sequence of Message
    max_chars : int
        Largest length of the latest human message.

    Returns
    -------
    str or None
        None where no human message has text.

    Raises
    ------
    RequestError
        If the latest human message is too long.
    """
    turns = _turns(messages)
    latest = latest_human(turns)
    if latest is None:
        return None
    text = turns[latest].text
    if len(text) > max_chars:
        where = f"messages[{latest}].content"
        raise RequestError(
            f"{where}: {len(text)} characters are too many; at most {max_chars}", where
        )
    return conversation_text(turns, latest)


def whole_text(messages: Sequence[Message], max_chars: int) -> str:
    """Return the texts of all messages, cut at `max_chars`: its length tells what it costs."""
    return "\n\n".join(message.text() for message in messages)[:max_chars]


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
    latest = latest_human(_turns(messages))
    turn = messages if latest is None else messages[: latest + 1]
    return hashlib.sha256(to_json(list(turn))).hexdigest()


def _turns(messages: Sequence[Message]) -> list[Turn]:
    return [Turn(message.role, message.text()) for message in messages]


def _is_tool_result(message: Message) -> bool:
    if message.role in TOOL_ROLES:
        return True
    kinds = [part["type"] for part in message.parts()]
    return message.role == "user" and bool(kinds) and all(kind in TOOL_PARTS for kind in kinds)
