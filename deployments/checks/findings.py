"""What a check reports: a mistake at a path of a document, and a finding at a line of a file."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from scope.errors import ScopeError, join_names, one_line

Level = Literal["error", "warning"]
Keys = tuple[str | int, ...]
"""The keys and list indices from the root of a document to a value."""

CLOSE_ENOUGH = 0.7
"""Similarity of two names, 0 to 1, from which one is proposed for the other."""

UNNAMED = ("applications", "deployments")
"""Lists whose entries are called by their name alone, as Serve does in its messages."""


class Mistake(NamedTuple):
    """What is wrong at a path of a document."""

    path: Keys
    message: str
    """What was found, as a sentence without a full stop."""
    remedy: str
    """What to do."""
    level: Level = "error"

    @property
    def sentence(self) -> str:
        """The message and the remedy."""
        return f"{self.message}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a line of a file.

    Attributes
    ----------
    file : str
    line : int or None
        From 1; None where there is no file, as for a configuration that Serve reported.
    level : {"error", "warning"}
        An error fails, or is unsafe; a warning works worse than it could.
    where : str
        The field, such as ``Router.user_config.policy.alpha``.
    message, remedy : str
    """

    file: str
    line: int | None
    level: Level
    where: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.level}: {self.message}; {self.remedy}"


def dotted(root: object, path: Keys) -> str:
    """Return a path as an operator reads it: entries of lists by their names.

    Examples
    --------
    >>> config = {"applications": [{"name": "scope", "deployments": [{"name": "Router"}]}]}
    >>> dotted(config, ("applications", 0, "deployments", 0, "max_ongoing_requests"))
    'Router.max_ongoing_requests'
    >>> dotted({"env": [{"name": "HOME", "value": "/"}]}, ("env", 0, "value"))
    'env[HOME].value'
    """
    text, value = "", root
    for place, key in enumerate(path):
        value = _child(value, key)
        if isinstance(key, int):
            name = _name_of(value, key)
            if place and path[place - 1] in UNNAMED:
                text = f"{text.rpartition('.')[0]}.{name}"
            else:
                text += f"[{name}]"
        else:
            text += f".{key}"
    return _without_application(text, root).strip(".") or "the file"


def _without_application(text: str, root: object) -> str:
    """Leave out the name of the application where there is only one."""
    applications = as_list(as_mapping(root).get("applications"))
    if len(applications) != 1:
        return text
    return text.replace(f".{_name_of(applications[0], 0)}", "", 1)


def _child(value: object, key: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def _name_of(value: object, index: int) -> str:
    entry = as_mapping(value)
    name = entry.get("name", entry.get("groupName"))
    return name if isinstance(name, str) else str(index)


def did_you_mean(name: object, known: Iterable[str], *, optional: bool = True) -> str:
    """Return a remedy for an unknown name: the closest known one, else all.

    Parameters
    ----------
    name : object
        A key of a file, nearly always text.
    known : iterable of str
    optional : bool
        It may be removed.

    Examples
    --------
    >>> did_you_mean("hots", ("host", "port"))
    'did you mean host?'
    >>> did_you_mean("timeout", ("host", "port"))
    'remove it, or use one of host, port'
    """
    names = sorted(known)
    by_case = {known_name.lower(): known_name for known_name in reversed(names)}
    given = str(name).lower()
    longer = [known for known in by_case if known.startswith(given) and len(given) > 2]
    close = difflib.get_close_matches(given, by_case, 1, CLOSE_ENOUGH) or longer
    if close:
        return f"did you mean {by_case[close[0]]}?"
    if not names:
        return "remove it"
    return f"{'remove it, or ' if optional else ''}use one of {join_names(names)}"


def is_close(name: str, known: str) -> bool:
    """Return whether a name may be a typo of a known one."""
    return did_you_mean(name, (known,)).startswith("did you mean")


def split_sentence(text: str, remedy: str) -> tuple[str, str]:
    """Return what an error found and what to do; `remedy` where the error does not say."""
    what, _, todo = text.partition("; ")
    return (what, todo) if todo else (text, remedy)


def rejected(path: Keys, remedy: str, check: Callable[[], object]) -> Iterator[Mistake]:
    """Yield the error that a check raises, as a mistake at a path."""
    try:
        check()
    except ScopeError as error:
        yield Mistake(path, *split_sentence(one_line(error), remedy))


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping, or an empty one for anything else: its type is reported elsewhere."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> Sequence[Any]:
    """Return a list, or an empty one for anything else."""
    return value if isinstance(value, list) else ()


def as_number(value: object, default: float | None = None) -> float | None:
    """Return a number, or `default` for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else default  # type: ignore[arg-type]  # a number


def get_in(root: object, path: Keys) -> Any:  # noqa: ANN401 - whatever the file holds there
    """Return the value at a path, or None."""
    value: object = root
    for key in path:
        value = _child(value, key)
    return value


def walk(value: object, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield every value of a document with its path, parents first."""
    yield path, value
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from walk(child, (*path, key))
    elif isinstance(value, list):
        for place, child in enumerate(value):
            yield from walk(child, (*path, place))
