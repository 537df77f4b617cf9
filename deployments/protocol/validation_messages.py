"""Format the errors of pydantic for clients."""

from pydantic_core import ErrorDetails

SHOWN_CHARS = 40
"""Longest text that is shown; of longer text, a prompt or a key, only the length is shown."""

NO_VALUE_TYPES = ("missing", "value_error", "extra_forbidden")
"""Error types whose value adds nothing to the message."""

JSON_WORDING = {
    "tuple_type": "Input should be a list",
    "dict_type": "Input should be an object",
    "model_type": "Input should be an object",
}
"""Messages of pydantic in terms of JSON, where its own use Python types."""

PROMPTS = ("prompt", "prompts", "messages")
"""Fields with text of users: only the length of their text is shown."""

SECRET = "sha256"
"""A field whose value may be an API key by error."""


def field_path(error: ErrorDetails) -> str:
    """Return the field as a client would write it, such as ``messages[0].role``."""
    field = ""
    for part in error["loc"]:
        # An unknown key may have any length.
        field += f"[{part}]" if isinstance(part, int) else f".{part[:SHOWN_CHARS]}"
    return field.removeprefix(".")


def format_error(error: ErrorDetails) -> str:
    """Return the field, the message and, where it helps, the value."""
    field = field_path(error) or "the whole value"
    message = JSON_WORDING.get(error["type"], error["msg"].removeprefix("Value error, "))
    text = f"{field}: {message}"
    if error["type"] in NO_VALUE_TYPES or SECRET in error["loc"]:
        return text
    value = error["input"]
    if isinstance(value, str) and set(error["loc"][:1]) & set(PROMPTS):
        return f"{text}, got text of length {len(value)}"
    return f"{text}, got {short_repr(value)}"


def short_repr(value: object) -> str:
    """Return a short description of a value.

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
