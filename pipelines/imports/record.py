"""One answer of one model in an evaluation log, in the same form for all formats."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scope.errors import FormatError
from scope.prices import token_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a log says of one answer; None is unknown.

    Attributes
    ----------
    location : str
        File and place in it, for messages.
    prompt : str
        The text that the model was asked.
    model : str
    score : float
        Of the answer, in 0…1.
    answer : str or None
        Its text, of which tokens are counted where the log has no counts.
    prompt_tokens, completion_tokens : int or None
    cost_usd : float or None
        What the answer cost.
    gold : str or None
    category, source : str
        Subject of the question, and the task or data set it is from.
    settings : str
        What the answers depend on beside model and question; one run has one text.
    """

    location: str
    prompt: str
    model: str
    score: float
    answer: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    gold: str | None = None
    category: str = ""
    source: str = ""
    settings: str = ""


def field_of(row: object, name: str, location: str) -> Any:  # noqa: ANN401 (JSON)
    """Return a field of an object.

    Raises
    ------
    FormatError
        If `row` is no object or lacks the field.
    """
    if not isinstance(row, Mapping):
        raise FormatError(f"{location} is a {type(row).__name__}; expected an object with {name!r}")
    if row.get(name) is None:
        raise FormatError(f"{location} has no {name!r}; its fields are {', '.join(row) or 'none'}")
    return row[name]


def part_of(row: object, *names: str) -> Mapping[str, Any]:
    """Return an object within objects, empty where it is missing or no object."""
    for name in names:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row if isinstance(row, Mapping) else {}


def list_of(row: object, name: str, location: str) -> list[Any]:
    """Return a field that is a list; raises `FormatError` for any other."""
    value = field_of(row, name, location)
    if not isinstance(value, list):
        raise FormatError(f"{location}: {name} is {value!r:.40}; expected a list")
    return value


def text_of(row: object, name: str, location: str) -> str:
    """Return a field that is a text and not empty; raises `FormatError` for any other."""
    value = field_of(row, name, location)
    if not isinstance(value, str) or not value.strip():
        raise FormatError(f"{location}: {name} is {value!r:.40}; expected text")
    return value


def score_of(value: object, name: str, location: str) -> float:
    """Return a score in 0…1; true and false are 1 and 0.

    Raises
    ------
    FormatError
        If it is no number, or outside 0…1.
    """
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise FormatError(f"{location}: {name} is {value!r:.40}; expected a number in 0..1")
    return number


def tokens_of(value: object, name: str, location: str) -> int | None:
    """Return a number of tokens, None if it is unknown; raises `FormatError` if it is none."""
    number = None if value is None else token_count(_number(value))
    if value is not None and number is None:
        raise FormatError(f"{location}: {name} is {value!r:.40}; expected a whole number, or none")
    return number


def usd_of(value: object, name: str, location: str) -> float | None:
    """Return a cost, None if it is unknown; raises `FormatError` if it is none."""
    number = None if value is None else _number(value)
    if value is not None and (number is None or number < 0):
        raise FormatError(f"{location}: {name} is {value!r:.40}; expected USD of at least 0")
    return number


def optional_text(value: object) -> str | None:
    """Return a gold answer or an answer as text; None stays None, an object is JSON."""
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def settings_text(settings: Mapping[str, object]) -> str:
    """Return settings as one text, without those that are not set."""
    used = {name: value for name, value in settings.items() if value not in (None, "", {}, [])}
    return json.dumps(used, ensure_ascii=False, sort_keys=True)


def _number(value: object) -> float | None:
    """Return a finite number, also one that a table holds as text."""
    if not isinstance(value, bool | int | float | str):
        return None
    words = {"true": 1.0, "false": 0.0}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
