"""Parse JSON strictly: what other parsers would guess, or die of, is one sentence."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from scope.errors import FormatError

MAX_DEPTH = 100
"""Deepest nesting of lists and objects: far below the depth at which Python's own code fails."""

_HUGE_EXPONENT = re.compile(r"[eE]\+?\d{3}")
"""Pattern of a number that may overflow a float; it also occurs in text."""


def parse_json(text: str, source: str, *, allow_nan: bool = False, unique_keys: bool = True) -> Any:  # noqa: ANN401
    """Return the value of a whole file.

    Parameters
    ----------
    text : str
    source : str
        Name of the file, for messages.
    allow_nan : bool
        Accept the numbers ``NaN`` and ``Infinity``, which are not JSON.
    unique_keys : bool
        Refuse a key that occurs twice in one object; otherwise its last value counts.

    Raises
    ------
    FormatError
        If it is not JSON, nested deeper than `MAX_DEPTH`, has a key twice in one object, or a
        number that is not finite. The message names the line where it is known.
    """
    try:
        return _parse(text, allow_nan=allow_nan, unique_keys=unique_keys)
    except json.JSONDecodeError as error:
        raise FormatError(f"{source}: line {error.lineno} is not JSON: {error.msg}") from error
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from error


def parse_json_line(line: str, location: str, *, allow_nan: bool = False) -> Any:  # noqa: ANN401
    """Return the value of one line; `location` names file and line.

    Raises
    ------
    FormatError
        As `parse_json` does.
    """
    try:
        return _parse(line, allow_nan=allow_nan)
    except json.JSONDecodeError as error:
        raise FormatError(f"{location} is not JSON: {error.msg}") from error
    except ValueError as error:
        raise FormatError(f"{location}: {error}") from error


def parse_reply(content: bytes | str) -> Any:  # noqa: ANN401
    """Return the value of JSON that another server sent, which may be careless but not hostile.

    A number that is not finite is None: it is not JSON, and our clients could not read it. Of a
    key that occurs twice the last value counts.

    Raises
    ------
    ValueError
        If it is not JSON, nested deeper than `MAX_DEPTH`, or has a number of thousands of digits.

    Examples
    --------
    >>> parse_reply(b'{"logprob": -Infinity, "bytes": 1e999}')
    {'logprob': None, 'bytes': None}
    """
    if isinstance(content, bytes):
        content = content.decode(json.detect_encoding(content), "surrogatepass")
    try:
        value = (_FINITE if _HUGE_EXPONENT.search(content) else _CARELESS).decode(content)
        if content.count("[") + content.count("{") > MAX_DEPTH:
            _check(value, allow_nan=True)
    except RecursionError:
        raise _too_deep() from None
    return value


def _finite_or_none(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


_CARELESS = json.JSONDecoder(parse_constant=lambda _: None)
_FINITE = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite_or_none)
"""Parses in Python what `_CARELESS` parses in C: for the few texts that may need it."""


def _parse(text: str, *, allow_nan: bool, unique_keys: bool = True) -> Any:  # noqa: ANN401
    constant = float if allow_nan else _refuse_constant
    pairs = _unique_keys if unique_keys else None
    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
        # Most texts are too short to be too deep, and hold no number that could overflow.
        if text.count("[") + text.count("{") > MAX_DEPTH or _HUGE_EXPONENT.search(text):
            _check(value, allow_nan=allow_nan)
    except RecursionError:
        raise _too_deep() from None
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!a:.60} occurs twice in one object; expected it once")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON; expected a finite number, or null if it is unknown")


def _check(value: object, *, allow_nan: bool) -> None:
    """Raise `ValueError` for a level too many, or a number that became infinite."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        if not allow_nan and any(isinstance(v, float) and not math.isfinite(v) for v in level):
            raise ValueError("a number is too large for a float; expected a finite number")
        parents = [v for v in level if isinstance(v, dict | list)]
        if not parents:
            return
        level = [child for parent in parents for child in _children(parent)]
    raise _too_deep()


def _children(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _too_deep() -> ValueError:
    return ValueError(f"lists and objects are nested deeper than {MAX_DEPTH} levels")
