"""Parse the body of a request."""

import json
import re
from typing import Any

from pydantic_core import from_json

from deployments.protocol import SHOWN_CHARS, RequestError, short_repr

HUGE_EXPONENT = re.compile(rb"[eE]\+?\d{3}")
"""Pattern of a number that may overflow a float; it also occurs in text."""

SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half of a pair that stands for one character in UTF-16; alone it is none."""


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
        expected = "body: expected a JSON object in UTF-8"
        field = field_without_unicode(body)
        if field is None:
            raise RequestError(f"{expected}; {error}") from None
        raise RequestError(
            f"{expected}; {field or 'the body'} holds what is no Unicode text: "
            "half of a surrogate pair, or bytes in another encoding",
            field or None,
        ) from None
    if not isinstance(data, dict):
        raise RequestError(f"body: expected a JSON object, got {short_repr(data)}")
    return data


def field_without_unicode(body: bytes) -> str | None:
    r"""Return the first field whose text is not Unicode; None where there is none, or no JSON.

    A name that is not Unicode counts to the field that holds it; "" is the body itself.

    Examples
    --------
    >>> field_without_unicode(rb'{"messages": [{"content": "a"}, {"content": "\ud83d"}]}')
    'messages[1].content'
    """
    try:
        # Python's parser accepts halves of pairs, and this way of decoding makes such of bytes.
        left = [("", json.loads(body.decode("utf-8", "surrogateescape")))]
    except (ValueError, RecursionError):
        return None
    while left:
        field, value = left.pop()
        if isinstance(value, str) and not _is_unicode(value):
            return field
        if isinstance(value, dict):
            if not all(map(_is_unicode, value)):
                return field
            inner = [(f"{field}.{key[:SHOWN_CHARS]}".lstrip("."), value[key]) for key in value]
        else:
            entries = value if isinstance(value, list) else ()
            inner = [(f"{field}[{index}]", entry) for index, entry in enumerate(entries)]
        left += reversed(inner)
    return None


def _is_unicode(text: str) -> bool:
    return not SURROGATE.search(text)
