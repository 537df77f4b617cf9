"""Parse the body of a request and validate it."""

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from deployments.protocol import (
    RequestError,
    field_path,
    format_error,
    short_repr,
)

HUGE_EXPONENT = re.compile(rb"[eE]\+?\d{3}")
"""Pattern of a number that may overflow a float; it also occurs in text."""

Value = TypeVar("Value", bound=BaseModel)


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; all its text is valid UTF-8, all its numbers are finite.

    Raises
    ------
    RequestError
        If the body is anything else.
    """
    try:
        data = from_json(body, allow_inf_nan=False)
        if HUGE_EXPONENT.search(body):
            json.dumps(data, allow_nan=False)
    except ValueError as error:
        raise RequestError(f"body: expected a JSON object in UTF-8; {error}") from None
    if not isinstance(data, dict):
        raise RequestError(f"body: expected a JSON object, got {short_repr(data)}")
    return data


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
    if where:
        mistake["loc"] = (where, *mistake["loc"])
    raise RequestError(format_error(mistake), field_path(mistake) or None)
