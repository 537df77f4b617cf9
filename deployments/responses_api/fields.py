"""Read the fields of a JSON object; a mistake is told by the field's path."""

from collections.abc import Mapping
from typing import Any

from deployments.protocol import RequestError, short_repr

JsonObject = Mapping[str, Any]


def field_error(field: str, message: str) -> RequestError:
    """Return the error of a field, such as ``input[3].type``."""
    return RequestError(f"{field}: {message}", field)


def required_text(value: JsonObject, name: str, where: str) -> str:
    """Return a field that must be text; `where` is the path of the object that has it.

    Raises
    ------
    RequestError
        If it is missing or anything else.
    """
    text = value.get(name)
    if text is None:
        raise field_error(f"{where}.{name}", "missing, and required")
    if not isinstance(text, str):
        raise field_error(f"{where}.{name}", f"expected text, got {short_repr(text)}")
    return text


def optional_text(value: JsonObject, name: str, where: str) -> str | None:
    """Return a field that is text, null or absent; raises as `required_text`."""
    return None if value.get(name) is None else required_text(value, name, where)


def objects(value: object, where: str) -> list[dict[str, Any]]:
    """Return a list of objects; null is an empty one.

    Raises
    ------
    RequestError
        If it is anything else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise field_error(where, f"expected a list of objects, got {short_repr(value)}")
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise field_error(f"{where}[{index}]", f"expected an object, got {short_repr(entry)}")
    return value
