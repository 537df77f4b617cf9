"""Read the fields of a JSON object of a request; a mistake is told by the field's path."""

from collections.abc import Mapping
from typing import Any, TypeVar

from deployments.protocol.request_errors import RequestError
from deployments.protocol.validation_messages import short_repr

Value = TypeVar("Value")

KINDS: Mapping[type, str] = {str: "text", dict: "an object", list: "a list"}


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
        raise field_error(f"{where}.{name}", "missing, and required")
    raise field_error(f"{where}.{name}", f"expected {KINDS[kind]}, got {short_repr(value)}")


def optional(holder: Mapping[str, Any], name: str, kind: type[Value], where: str) -> Value | None:
    """Return a field of an object, None where it is absent; raises as `required`."""
    return None if holder.get(name) is None else required(holder, name, kind, where)


def field_error(field: str, sentence: str) -> RequestError:
    """Return the error of a field, such as ``input[3].type``."""
    return RequestError(f"{field}: {sentence}", field)
