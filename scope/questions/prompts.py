"""The prompt of a row: its text, or the text of its conversation, within the limit."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scope.conversation import Turn, conversation_text, latest_human
from scope.errors import ConfigError, QuestionError, ScopeWarning

MAX_PROMPT_CHARS = 65_536
"""Longest prompt that is accepted; about the context length of the routed models."""

REFUSE, CUT, SKIP = "refuse", "cut", "skip"
"""What is done with a longer prompt."""

MESSAGES = "messages"
BATCH_FIELDS = ("custom_id", "body")
"""Fields of a line of an OpenAI batch file, a request of its own."""

Row = Mapping[str, Any]


class LongPromptWarning(ScopeWarning):
    """Prompts above the limit were cut or left out."""


@dataclass(slots=True)
class LongPrompts:
    """What is done with prompts above `MAX_PROMPT_CHARS`, and how many there were.

    Attributes
    ----------
    action : str
        ``refuse``, ``cut`` or ``skip``.
    n : int

    Raises
    ------
    ConfigError
        If the action is another one.
    """

    action: str = REFUSE
    n: int = 0

    def __post_init__(self) -> None:
        if self.action not in (REFUSE, CUT, SKIP):
            raise ConfigError(
                f"--on-too-long is {self.action!r}; expected {REFUSE}, {CUT} or {SKIP}"
            )

    @property
    def n_skipped(self) -> int:
        """Number of rows that were left out."""
        return self.n if self.action == SKIP else 0

    def limited(self, prompt: str, location: str) -> str | None:
        """Return the prompt within the limit; None if its row is to be left out.

        The beginning is kept, which is what an encoder reads.

        Raises
        ------
        QuestionError
            If the prompt is too long and the action is ``refuse``.
        """
        if len(prompt) <= MAX_PROMPT_CHARS:
            return prompt
        if self.action == REFUSE:
            raise QuestionError(
                f"{location}: prompt has {len(prompt):,} characters; at most "
                f"{MAX_PROMPT_CHARS:,} are allowed; pass --on-too-long {CUT} or {SKIP} to go on"
            )
        self.n += 1
        return None if self.action == SKIP else prompt[:MAX_PROMPT_CHARS]

    def warn(self, source: object) -> None:
        """Say how many prompts of a source were cut or left out, if any."""
        if self.n:
            prompts = "1 prompt" if self.n == 1 else f"{self.n:,} prompts"
            done = "left out" if self.action == SKIP else "cut there"
            text = f"{source}: {prompts} of more than {MAX_PROMPT_CHARS:,} characters {done}"
            warnings.warn(text, LongPromptWarning, stacklevel=3)


def unwrapped(row: object, location: str) -> Row:
    """Return a row with the messages of its own; those of a batch file are in its body.

    Raises
    ------
    QuestionError
        If the row is no object, or a line of a batch file without messages.
    """
    if not isinstance(row, Mapping):
        raise QuestionError(f"{location} is a {type(row).__name__}; expected an object")
    if any(name not in row for name in BATCH_FIELDS):
        return row
    body = row["body"]
    if not isinstance(body, Mapping) or MESSAGES not in body:
        found = ", ".join(body) if isinstance(body, Mapping) else f"{body!r:.40}"
        raise QuestionError(f"{location}: body has no {MESSAGES!r}, it is {found}; expected a chat")
    return {"id": row["custom_id"], **row, MESSAGES: body[MESSAGES]}


def row_prompt(row: Row, names: Sequence[str], location: str) -> str:
    """Return the text of the first of `names` that a row has, else that of its conversation.

    Raises
    ------
    QuestionError
        If there is neither, or it is no text.
    """
    name = next((name for name in names if row.get(name) is not None), None)
    if name is not None:
        prompt = row[name]
    elif row.get(MESSAGES) is not None:
        name, prompt = MESSAGES, _conversation(row[MESSAGES], f"{location}: {MESSAGES}")
    else:
        fields = ", ".join(row) or "none"
        raise QuestionError(
            f"{location} has none of {', '.join((*names, MESSAGES))}; its fields are {fields}"
        )
    if not isinstance(prompt, str):
        raise QuestionError(
            f"{location}: {name} is a {type(prompt).__name__}, {prompt!r:.40}; expected text"
        )
    if not prompt.strip():
        raise QuestionError(f"{location}: {name} is empty; expected text")
    check_utf8(prompt, name, location)
    return prompt


def row_text(row: Row, names: Sequence[str], location: str) -> str | None:
    """Return the text or number of the first of `names` that a row has; None if it has none.

    Raises
    ------
    QuestionError
        If it is anything else.
    """
    name = next((name for name in names if row.get(name) is not None), None)
    if name is None:
        return None
    value = row[name]
    if not isinstance(value, str | int | float):
        raise QuestionError(
            f"{location}: {name} is a {type(value).__name__}, {value!r:.40}; expected text, a "
            "number, or null"
        )
    check_utf8(str(value), name, location)
    return str(value)


def check_utf8(text: str, name: str, location: str) -> None:
    """Raise `QuestionError` for a lone surrogate, which JSON can encode and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QuestionError(
            f"{location}: {name} has {text[error.start]!a} at character {error.start + 1}; "
            "expected text that UTF-8 can encode"
        ) from error


def _conversation(messages: object, location: str) -> str:
    """Return the text on which the endpoint would decide for these messages."""
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise QuestionError(f"{location} is {messages!r:.40}; expected a list of messages")
    turns = [_turn(message, f"{location}[{n}]") for n, message in enumerate(messages)]
    latest = latest_human(turns)
    if latest is None:
        raise QuestionError(f"{location} has no user message with text; expected one")
    return conversation_text(turns, latest)


def _turn(message: object, location: str) -> Turn:
    role = message.get("role") if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or not isinstance(role, str):
        raise QuestionError(f"{location} is {message!r:.40}; expected an object with role")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return Turn.from_message(role, content or "")
    if not isinstance(content, Sequence) or not all(isinstance(p, Mapping) for p in content):
        raise QuestionError(
            f"{location}.content is {content!r:.40}; expected text, a list of parts, or null"
        )
    texts = [part.get("text") for part in content if part.get("type") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise QuestionError(f"{location}.content has a part of type 'text' without text")
    return Turn.from_message(role, "\n".join(map(str, texts)))
