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


def parse_json(text: str, source: str, *, allow_nan: bool = False) -> Any:  # noqa: ANN401
    """Return the value of a whole file.

    Parameters
    ----------
    text : str
    source : str
        Name of the file, for messages.
    allow_nan : bool
        Accept the numbers ``NaN`` and ``Infinity``, which are not JSON.

    Raises
    ------
    FormatError
        If it is not JSON, nested deeper than `MAX_DEPTH`, has a key twice in one object, or a
        number that is not finite. The message names the line where it is known.
    """
    try:
        return _parse(text, allow_nan=allow_nan)
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


def is_too_deep(content: bytes) -> bool:
    """Return whether JSON is nested deeper than `MAX_DEPTH`; False for what is no JSON."""
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    try:
        _check(json.loads(content), allow_nan=True)
    except RecursionError:
        return True
    except ValueError as error:
        return str(error) == str(_too_deep())
    return False


def _parse(text: str, *, allow_nan: bool) -> Any:  # noqa: ANN401
    constant = float if allow_nan else _refuse_constant
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=constant)
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
