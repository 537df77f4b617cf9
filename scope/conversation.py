"""The text of a conversation that a decision is made on, and a prediction."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from scope.envelopes import human_text

CONTEXT_CHARS = 1_000
"""Length of the text of earlier turns that is added, so that "yes, do it" has a meaning."""


class Turn(NamedTuple):
    """One message: who wrote it, and its text."""

    role: str
    text: str

    @classmethod
    def from_message(cls, role: str, text: str) -> Self:
        """Return the turn of a message; of a user's text only what a human wrote, see `human_text`.

        A turn of nothing but envelopes has no text, and so is not the latest human one.
        """
        return cls(role, human_text(text) if role == "user" else text)


def latest_human(turns: Sequence[Turn]) -> int | None:
    """Return the index of the latest user turn that has text; None if there is none."""
    for index in range(len(turns) - 1, -1, -1):
        if turns[index].role == "user" and turns[index].text.strip():
            return index
    return None


def conversation_text(turns: Sequence[Turn], latest: int) -> str:
    r"""Return the text of turn `latest`, then of the turns before it, newest first.

    Turns of the system and of tools are skipped: they repeat in every turn or are written by
    machines. At most `CONTEXT_CHARS` characters of earlier turns are added; they come last
    because an encoder truncates at the end. A conversation of one turn gives exactly its text.

    Examples
    --------
    >>> conversation_text([Turn("user", "Delete all?"), Turn("user", "yes")], 1)
    'yes\n\nDelete all?'
    """
    return "\n\n".join([turns[latest].text, *_context(turns[:latest])])


def _context(turns: Sequence[Turn]) -> Iterator[str]:
    left = CONTEXT_CHARS
    for turn in reversed(turns):
        if turn.role not in ("user", "assistant"):
            continue
        text = turn.text.strip()[:left]
        if text:
            yield text
        left -= len(text)
        if left <= 0:
            return
