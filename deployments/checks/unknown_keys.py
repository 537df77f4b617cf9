"""Unknown keys and wrong values of a mapping that pydantic models describe."""

import json
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deployments.checks.findings import (
    Keys,
    Mistake,
    did_you_mean,
    dotted,
    get_in,
    split_sentence,
)
from deployments.protocol import short_repr

UNIONS = (Union, types.UnionType)
SECRETS = ("sha256", "key_variable", "base_url", "endpoint")
"""Fields whose value may be a key by error and is not shown."""


def unknown_keys(root: object, path: Keys, kind: Any, effect: str) -> Iterator[Mistake]:  # noqa: ANN401 - an annotation
    """Yield the keys below a path that a model does not have, at every level.

    Parameters
    ----------
    root : object
        The whole document, to name fields.
    path : Keys
        Where the value stands.
    kind : type
        A pydantic model, or the annotation of a field.
    effect : str
        What happens to an unknown key.
    """
    value = get_in(root, path)
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from _of_model(root, path, kind, effect)
    elif origin in UNIONS or hasattr(kind, "__metadata__"):
        for argument in arguments[:1] if hasattr(kind, "__metadata__") else arguments:
            yield from unknown_keys(root, path, argument, effect)
    elif origin in (list, tuple) and arguments and isinstance(value, list):
        for place in range(len(value)):
            yield from unknown_keys(root, (*path, place), arguments[0], effect)
    elif origin is dict and arguments and isinstance(value, Mapping):
        for key in value:
            yield from unknown_keys(root, (*path, key), arguments[1], effect)


def _of_model(root: object, path: Keys, kind: type[BaseModel], effect: str) -> Iterator[Mistake]:
    value = get_in(root, path)
    if not isinstance(value, Mapping):
        return
    for key in value:
        if key in kind.model_fields:
            yield from unknown_keys(root, (*path, key), kind.model_fields[key].annotation, effect)
        else:
            yield unknown_key(root, (*path, key), kind.model_fields, effect)


def unknown_key(root: object, path: Keys, known: Any, effect: str) -> Mistake:  # noqa: ANN401 - any names
    """Return the mistake of one unknown key."""
    message = f"{dotted(root, path)} is unknown{effect}"
    return Mistake(path, message, did_you_mean(str(path[-1]), known))


def invalid_values(root: object, path: Keys, kind: type[BaseModel]) -> Iterator[Mistake]:
    """Yield the values below a path that a model refuses; unknown keys are left out.

    The value is validated as JSON: a list may be a tuple, but text is not a number.
    """
    value = get_in(root, path)
    try:
        kind.model_validate_json(json.dumps({} if value is None else value, default=str))
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if details["type"] != "extra_forbidden":
                yield invalid_value(root, path, details)


def invalid_value(root: object, path: Keys, error: ErrorDetails) -> Mistake:
    """Return the mistake that an error of pydantic is about."""
    found = (*path, *error["loc"])
    where = dotted(root, found)
    if error["type"] == "missing":
        return Mistake(found, f"{where} is missing", "add it")
    message = error["msg"].removeprefix("Value error, ").rstrip("!.")
    remedy = re.sub(r"^(Input|String|Value|List|Tuple) should", "it should", message)
    if remedy != message or message.startswith("expected"):
        hidden = any(key in SECRETS for key in error["loc"])
        shown = "not valid" if hidden else short_repr(error["input"])
        return Mistake(found, f"{where} is {shown}", remedy)
    return _of_sentence(root, found, message, error["input"])


def _of_sentence(root: object, path: Keys, message: str, value: Any) -> Mistake:  # noqa: ANN401 - from the file
    """Return the mistake that a validator describes in its own words."""
    named = _first_named(message, value)
    found = path if named is None else (*path, named)
    _, must, rest = message.partition(" must be ")
    if named is not None and must:
        message = f"{dotted(root, found)} is {short_repr(value[named])}"
        return Mistake(found, message, f"it must be {rest}")
    if "not allowed when" in message:
        return Mistake(found, f"{dotted(root, path)}: {message}", "remove one of them")
    what, remedy = split_sentence(message.replace(". ", "; ", 1), "give another value")
    return Mistake(found, f"{dotted(root, path)}: {what}", remedy[:1].lower() + remedy[1:])


def _first_named(message: str, value: Any) -> str | None:  # noqa: ANN401 - from the file
    """Return the first word of a message that is a key of the value it is about."""
    keys = value if isinstance(value, Mapping) else {}
    return next((word for word in re.findall(r"\w+", message) if word in keys), None)
