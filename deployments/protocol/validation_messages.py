"""Validate what a client sends, and format the errors of pydantic for it."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deployments.protocol.request_errors import RequestError
from scope.errors import join_names

SHOWN_CHARS = 40
"""Longest text that is shown; of longer text, a prompt or a key, only the length is shown."""

NO_VALUE_TYPES = ("missing", "value_error", "extra_forbidden")
"""Error types whose value adds nothing to the message."""

WORDING = {
    "bool_type": "expected true or false",
    "dict_type": "expected an object",
    "extra_forbidden": "unknown field",
    "finite_number": "expected a finite number",
    "float_type": "expected a number",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "int_type": "expected a whole number",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "missing": "missing, and required",
    "model_type": "expected an object",
    "string_pattern_mismatch": "expected text of the form {pattern}",
    "string_too_long": "expected at most {max_length} characters",
    "string_too_short": "expected at least {min_length} characters",
    "string_type": "expected text",
    "too_long": "expected at most {max_length} entries",
    "too_short": "expected at least {min_length} entries",
    "tuple_type": "expected a list",
}
"""Messages by pydantic's error type, in terms of JSON; its own are in terms of Python."""

ONE = re.compile(r"(at (?:least|most) 1) (\w+)s\b")
PLURALS = {"character": "character", "entrie": "entry"}

CONTAINERS = (list, tuple, dict)

PROMPTS = ("prompt", "prompts", "messages", "comment")
"""Fields with text of users: only the length of their text is shown."""

SECRET = "sha256"
"""A field whose value may be an API key by error."""

Value = TypeVar("Value", bound=BaseModel)


def validate(kind: type[Value], data: dict[str, Any], where: str = "") -> Value:
    """Return `data` as a `kind`.

    Parameters
    ----------
    kind : type
    data : dict
    where : str, optional
        Field that `data` comes from, for the message.

    Raises
    ------
    RequestError
        With the first mistake. Pydantic's own error is not chained: it would quote its input,
        which may be a prompt, in every traceback.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
    field = ".".join(filter(None, (where, field_path(mistake))))
    raise RequestError(format_error(mistake, kind, where), field or None)


def field_path(error: ErrorDetails) -> str:
    """Return the field as a client would write it, such as ``messages[0].role``."""
    field = ""
    # The name of an entry may be wrong itself; then the field is that of the object.
    for part in error["loc"][:-2] if _is_name(error) else error["loc"]:
        # An unknown key may have any length.
        field += f"[{part}]" if isinstance(part, int) else f".{part[:SHOWN_CHARS]}"
    return field.removeprefix(".")


def _is_name(error: ErrorDetails) -> bool:
    """Whether the error is of the name of an entry: so pydantic marks it."""
    return error["loc"][-1:] == ("[key]",)


def format_error(error: ErrorDetails, kind: type[BaseModel], where: str = "") -> str:
    """Return the field, the message and, where it helps, the value.

    Parameters
    ----------
    error : ErrorDetails
    kind : type
        The model that refused the value; its fields are named where one is unknown.
    where : str, optional
        Field that the value comes from.
    """
    field = ".".join(filter(None, (where, field_path(error)))) or "the whole value"
    text = f"{field}: {'in a name, ' if _is_name(error) else ''}{plain_message(error)}"
    if error["type"] == "extra_forbidden":
        return f"{text}; expected one of {join_names(_known_fields(kind, error['loc'][:-1]))}"
    if error["type"] in NO_VALUE_TYPES or SECRET in error["loc"]:
        return text
    value = error["input"]
    if isinstance(value, str) and set(error["loc"][:1]) & set(PROMPTS):
        return f"{text}, got text of length {len(value)}"
    return f"{text}, got {short_repr(value)}"


def _known_fields(kind: Any, path: Sequence[str | int]) -> Sequence[str]:  # noqa: ANN401 - an annotation
    """Return the fields of the model at a path below a model, or below an annotation."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not path:
            return list(kind.model_fields)
        field = kind.model_fields.get(str(path[0]))
        return () if field is None else _known_fields(field.annotation, path[1:])
    inner = get_args(kind)
    rest = path[1:] if get_origin(kind) in CONTAINERS else path
    found = (_known_fields(argument, rest) for argument in inner)
    return next((fields for fields in found if fields), ())


def plain_message(error: ErrorDetails) -> str:
    """Return what an error says, without the field and the value.

    Examples
    --------
    >>> plain_message({"type": "too_short", "loc": (), "msg": "Tuple should have at least 1 item",
    ...     "input": [], "ctx": {"min_length": 1}})
    'expected at least 1 entry'
    """
    wording = WORDING.get(error["type"])
    if wording is None:
        return error["msg"].removeprefix("Value error, ")
    bounds = {
        name: int(bound) if isinstance(bound, float) and bound.is_integer() else bound
        for name, bound in error.get("ctx", {}).items()
    }
    message = wording.format_map(bounds)
    return ONE.sub(lambda match: f"{match[1]} {PLURALS[match[2]]}", message)


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
