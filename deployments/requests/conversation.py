"""The text of a conversation that a decision is made on."""

import hashlib
from collections.abc import Iterator, Sequence

from pydantic_core import to_json

from deployments.protocol import RequestError
from deployments.requests.chat import Message

CONTEXT_CHARS = 1_000
"""Length of the text of earlier turns that is added, so that "yes, do it" has a meaning."""

TOOL_ROLES = ("tool", "function")
TOOL_PARTS = ("tool_result",)
"""Parts by which clients of other providers put tool results into user messages."""


def routing_text(messages: Sequence[Message], max_chars: int) -> str | None:
    """Return the latest human message, then the messages before it, newest first.

    Messages of the system and of tools are skipped: they repeat in every turn or are written
    by machines. At most `CONTEXT_CHARS` characters of earlier messages are added; they come
    last because an encoder truncates at the end. A chat of one message gives exactly its prompt,
    and a turn of tool results the text of the turn that it belongs to.

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
    latest = _latest_human(messages)
    if latest is None:
        return None
    text = messages[latest].text()
    if len(text) > max_chars:
        where = f"messages[{latest}].content"
        raise RequestError(
            f"{where}: {len(text)} characters are too many; at most {max_chars}", where
        )
    return "\n\n".join([text, *_context(messages[:latest])])


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
    latest = _latest_human(messages)
    turn = messages if latest is None else messages[: latest + 1]
    return hashlib.sha256(to_json(list(turn))).hexdigest()


def _latest_human(messages: Sequence[Message]) -> int | None:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user" and messages[index].text().strip():
            return index
    return None


def _context(messages: Sequence[Message]) -> Iterator[str]:
    left = CONTEXT_CHARS
    for message in reversed(messages):
        if message.role not in ("user", "assistant"):
            continue
        text = message.text().strip()[:left]
        if text:
            yield text
        left -= len(text)
        if left <= 0:
            return


def _is_tool_result(message: Message) -> bool:
    if message.role in TOOL_ROLES:
        return True
    kinds = [part["type"] for part in message.parts()]
    return message.role == "user" and bool(kinds) and all(kind in TOOL_PARTS for kind in kinds)
