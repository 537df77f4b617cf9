"""Say what is wrong with a value that pydantic refused."""

from pydantic_core import ErrorDetails

SHOWN_CHARS = 40
"""Longest text that is shown; what is longer may be a prompt or a key, and is counted only."""

NO_VALUE_TYPES = ("missing", "value_error", "extra_forbidden")
"""Kinds of mistakes whose message says all, or whose value says nothing."""

JSON_WORDING = {
    "tuple_type": "Input should be a list",
    "dict_type": "Input should be an object",
    "model_type": "Input should be an object",
}
"""What pydantic says in the words of Python, for clients that may not know it."""

PROMPTS = ("prompt", "prompts", "messages")
"""Fields that hold what people wrote: their text is counted, however short."""

SECRET = "sha256"
"""A field in which somebody may have put the key itself."""


def field_path(mistake: ErrorDetails) -> str:
    """Return the field as a client would write it, such as ``messages[0].role``."""
    field = ""
    for part in mistake["loc"]:
        # A key that is not known here may have any length.
        field += f"[{part}]" if isinstance(part, int) else f".{part[:SHOWN_CHARS]}"
    return field.removeprefix(".")


def format_error(mistake: ErrorDetails) -> str:
    """Return field, what is allowed, and the value where it tells something."""
    field = field_path(mistake) or "all of it"
    said = JSON_WORDING.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
    told = f"{field}: {said}"
    if mistake["type"] in NO_VALUE_TYPES or SECRET in mistake["loc"]:
        return told
    value = mistake["input"]
    if isinstance(value, str) and set(mistake["loc"][:1]) & set(PROMPTS):
        return f"{told}, got text of length {len(value)}"
    return f"{told}, got {short_repr(value)}"


def short_repr(value: object) -> str:
    """Return a value in a few words.

    Examples
    --------
    >>> short_repr(-1.0), short_repr(None), short_repr([1, 2]), short_repr("x" * 100)
    ('-1.0', 'null', 'a list of 2', 'text of 100 characters')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, str) and len(value) > SHOWN_CHARS:
        return f"text of {len(value)} characters"
    return f"{value!r:.{SHOWN_CHARS}}"
