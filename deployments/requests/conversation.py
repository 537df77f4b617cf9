"""What of a conversation a decision is made on."""

import hashlib
from collections.abc import Iterator, Sequence

from pydantic_core import to_json

from deployments.protocol import RequestError
from deployments.requests.chat import Message

CONTEXT_CHARS = 1_000
"""Text of earlier turns that is read with the latest one: enough for what "yes, do it" means."""

TOOL_ROLES = ("tool", "function")
TOOL_PARTS = ("tool_result",)
"""How clients of other providers put tool results into messages of the user."""


def routing_text(messages: Sequence[Message], max_chars: int) -> str:
    """Return the latest human message, then what was said before it, newest first.

    Only people and the model are read, not the system or tools: their text is the same in
    every turn or written by machines. Of what came before, at most `CONTEXT_CHARS` characters
    are kept; they stand last because an encoder cuts what it cannot hold at the end. A chat of
    one message reads exactly as its prompt, and a turn that only carries tool results as the
    turn it belongs to.

    Parameters
    ----------
    messages : sequence of Message
    max_chars : int
        Longest human message.

    Raises
    ------
    RequestError
        If no human message has text, or the latest is too long.
    """
    latest = _latest_human(messages)
    if latest is None:
        raise RequestError(
            "messages: no message of the user holds text to route on; "
            "add one, or name a model in place of auto",
            "messages",
        )
    text = messages[latest].text()
    if len(text) > max_chars:
        where = f"messages[{latest}].content"
        raise RequestError(
            f"{where}: {len(text)} characters are too many; at most {max_chars}", where
        )
    return "\n\n".join([text, *_context(messages[:latest])])


def carries_only_tool_results(messages: Sequence[Message]) -> bool:
    """Say whether nobody said anything since the model spoke; tools only answered it."""
    results = 0
    for message in reversed(messages):
        if message.role == "assistant":
            break
        if not _is_tool_result(message):
            return False
        results += 1
    return results > 0


def turn_key(messages: Sequence[Message]) -> str:
    """Return a name for the latest human turn, the same for all its tool calls.

    It is the SHA-256 of everything up to the latest human message, so that an agent that sends
    no session id still stays on its model within a turn.
    """
    latest = _latest_human(messages)
    said = messages if latest is None else messages[: latest + 1]
    return hashlib.sha256(to_json(list(said))).hexdigest()


def _latest_human(messages: Sequence[Message]) -> int | None:
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].role == "user" and messages[place].text().strip():
            return place
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
