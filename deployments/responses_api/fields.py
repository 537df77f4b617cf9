"""Read the fields of a JSON object; a mistake is told by the field's path."""

from collections.abc import Mapping
from typing import Any

from deployments.protocol import field_error, optional, required, short_repr

JsonObject = Mapping[str, Any]


def required_text(value: JsonObject, name: str, where: str) -> str:
    """Return a field that must be text, as `required`."""
    return required(value, name, str, where)


def optional_text(value: JsonObject, name: str, where: str) -> str | None:
    """Return a field that is text, null or absent, as `optional`."""
    return optional(value, name, str, where)


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
