"""Read the fields of a content block or a tool; a mistake is told by the name of its field."""

from collections.abc import Mapping
from typing import Any, TypeVar

from deployments.protocol import RequestError, short_repr

Value = TypeVar("Value")

KINDS: Mapping[type, str] = {str: "text", dict: "an object", list: "a list"}

MAX_IGNORED = 16
"""Fields and blocks that are named as ignored; a header is short."""

MAX_NAME_CHARS = 60


def required(holder: Mapping[str, Any], name: str, kind: type[Value], where: str) -> Value:
    """Return a field of an object.

    Parameters
    ----------
    holder : mapping
    name : str
    kind : type
        ``str``, ``dict`` or ``list``.
    where : str
        Path of the object in the body.

    Raises
    ------
    RequestError
        If the field is missing or of another type.
    """
    value = holder.get(name)
    if isinstance(value, kind):
        return value
    if value is None:
        raise mistake(f"{where}.{name}", "missing, and required")
    raise mistake(f"{where}.{name}", f"expected {KINDS[kind]}, got {short_repr(value)}")


def optional(holder: Mapping[str, Any], name: str, kind: type[Value], where: str) -> Value | None:
    """Return a field of an object, None where it is absent; raises as `required`."""
    return None if holder.get(name) is None else required(holder, name, kind, where)


def mistake(field: str, sentence: str) -> RequestError:
    """Return the error of a field."""
    return RequestError(f"{field}: {sentence}", field)


class Ignored:
    """Names of what a request has and no chat completion can."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Add a name, which may come from the client: it will stand in a header."""
        printable = "".join(char if " " <= char <= "~" else "?" for char in name)
        self._names[printable[:MAX_NAME_CHARS]] = None

    def names(self) -> tuple[str, ...]:
        """Return the names, in their order and each once; of many, how many more there are."""
        names = tuple(self._names)
        more = len(names) - MAX_IGNORED
        return names if more <= 0 else (*names[:MAX_IGNORED], f"{more} more")
