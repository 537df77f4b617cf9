"""Extract the Python literal that a reply finally states, and compare it by value."""

import ast
import re
import warnings
from collections.abc import Iterator

MAX_CHARS = 20_000
"""Longest text that is read as a literal."""

_TAGGED = re.compile(
    r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)|<answer>(.*?)(?:</answer>|\Z)", re.S | re.I
)
_ASSERTION = re.compile(r"^[\s>*`]*assert\b(?P<rest>.*==.*)$", re.M)
_STATEMENT = re.compile(
    r"(?:\b(?:answer|output|result|literal)\b[^\n`:=]*?(?:\bis\b|[:=])"
    r"|\b(?:returns?|prints?|evaluates\s+to)\b)\s*:?(?P<rest>[^\n]*)",
    re.I,
)
_BOXED = re.compile(r"\\boxed\s*\{(?P<rest>[^\n]*)\}")
_CODE = re.compile(r"```(?:\w*\n)?(?P<block>.*?)```|`(?P<span>[^`\n]+)`", re.S)

_OPEN = re.compile(r"^\s*assert\b.*==\s*\?\?\s*$", re.M)

_NOTHING = object()


def grade_literal(reply: str, gold: str | None, question: str) -> float | None:
    """Compare the values of the stated literal and of the gold answer; None if none is stated."""
    stated = _stated(reply)
    return None if stated is _NOTHING else float(stated == _value(gold or ""))


def final_literal(reply: str, question: str) -> str | None:
    """Return the stated literal; None if there is none."""
    stated = _stated(reply)
    return None if stated is _NOTHING else _canonical(stated)


def is_literal(text: str) -> bool:
    """Return whether a text is a Python literal.

    Examples
    --------
    >>> is_literal("{'a': [1, 2]}"), is_literal("sorted(x)")
    (True, False)
    """
    return _value(text) is not _NOTHING


def has_open_assertion(question: str) -> bool:
    r"""Return whether a question has a line ``assert … == ??`` to complete.

    Examples
    --------
    >>> has_open_assertion("Complete it.\nassert f([1]) == ??")
    True
    """
    return _OPEN.search(question) is not None


def _stated(reply: str) -> object:
    r"""Return the value that a reply states.

    In this order, the last of each: the text in ``[ANSWER]`` or ``<answer>`` tags; what an
    ``assert … ==`` is completed with; ``\boxed{…}``; "the answer (output, result) is …", "returns
    …"; code that is a literal; the last line. What stands in tags or in an assertion and is no
    literal counts as a string: quotes are forgotten, and a call is not the literal asked for.
    """
    tagged = [first or second for first, second in _TAGGED.findall(reply)]
    for text in reversed(tagged):
        return _completed(text) if _ASSERTION.search(text) else _or_string(text)
    if _ASSERTION.search(reply):
        completed = _completed(reply)
        if completed is not _NOTHING:
            return completed
    return next(
        (value for text in _texts(reply) if (value := _value(text)) is not _NOTHING), _NOTHING
    )


def _texts(reply: str) -> Iterator[str]:
    """Yield the texts that may be the answer, the surest first."""
    for pattern in (_BOXED, _STATEMENT):
        yield from (match["rest"] for match in reversed(list(pattern.finditer(reply))))
    yield from (
        match["block"] or match["span"] or "" for match in reversed(list(_CODE.finditer(reply)))
    )
    yield from reply.strip().splitlines()[-1:]
    yield reply


def _completed(text: str) -> object:
    """Return what the last completed assertion equals."""
    for match in reversed(list(_ASSERTION.finditer(text))):
        parts = match["rest"].split("==")
        rights = ["==".join(parts[i:]) for i in range(len(parts) - 1, 0, -1)]
        if rights[0].strip(" `") != "??":
            values = (_value(right) for right in rights)
            return next((v for v in values if v is not _NOTHING), _bare(rights[0]))
    return _NOTHING


def _or_string(text: str) -> object:
    value = _value(text)
    return _bare(text) if value is _NOTHING else value


def _bare(text: str) -> str:
    return _CODE.sub(lambda match: match["block"] or match["span"] or "", text).strip().strip("`")


def _value(text: str) -> object:
    """Return the value of a literal, apart from markup around it; `_NOTHING` if it is none."""
    text = text.strip()
    if (code := _CODE.fullmatch(text.rstrip(".*"))) is not None:
        text = (code["block"] or code["span"] or "").strip()
    for candidate in (text, text.strip("*$` ").rstrip(".")):
        if len(candidate) > MAX_CHARS:
            return _NOTHING
        try:
            with warnings.catch_warnings():  # of an escape that Python does not know
                warnings.simplefilter("ignore")
                return ast.literal_eval(candidate)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return _NOTHING


def _canonical(value: object) -> str:
    """Return a text that equal values share: sets and dicts in order, a whole float as its int."""
    if isinstance(value, dict):
        pairs = sorted(f"{_canonical(key)}: {_canonical(item)}" for key, item in value.items())
        return f"dict({', '.join(pairs)})"
    if isinstance(value, set):
        return f"set({', '.join(sorted(map(_canonical, value)))})"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(_canonical, value))})"
    if isinstance(value, bool | float) and value == value // 1:
        return repr(int(value))
    return repr(value)
