"""Graders: how right a reply is, or that nobody can tell. Ungradable is never wrong."""

import importlib
import math
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scope.errors import ConfigError, QuestionError
from scope.questions.multiple_choice import LETTERS, extract_choice, option_letters
from scope.questions.numeric import BOXED, extract_number, is_close, parse_numbers

Grade = Callable[[str, str | None, str], float | None]
"""(reply, gold, question) to 0 … 1, or None where it cannot be told."""

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Numbers that differ by less agree: enough for what a float loses, not for what is rounded."""

GRADER_NAMES = (
    "auto, choice, numeric, numeric:RELATIVE[,ABSOLUTE], exact, text, python:MODULE:FUNCTION"
)

_STATEMENT = re.compile(r"\banswer\s*(?:is\b|:)\s*:?\s*(?P<rest>\S[^\n]*)", re.IGNORECASE)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Grader:
    """A way to grade replies.

    Attributes
    ----------
    name : str
        As the user wrote it.
    grade : callable
        Raises only if it is the user's own.
    objection : callable
        (gold, question) to why this cannot grade replies to that question, or None.
    """

    name: str
    grade: Grade
    unsupported_reason: Callable[[str | None, str], str | None]


def make_grader(name: str) -> Grader:
    """Return the grader a user names.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    kind, _, rest = name.partition(":")
    if kind == "numeric":
        relative, absolute = _tolerances(name, rest)
        return Grader(name, _numeric(relative, absolute), _no_number)
    if kind == "python":
        return Grader(name, _custom_grader(name, rest), lambda gold, question: None)
    plain = {
        "choice": Grader(name, _choice, _no_option),
        "exact": Grader(name, _exact, _no_gold),
        "text": Grader(name, _text, _no_words),
    }
    if name not in plain:
        raise ConfigError(f"grader is {name!r}; expected one of {GRADER_NAMES}")
    return plain[name]


def grader_for(name: str, gold: str | None, question: str, place: str) -> Grader:
    """Return the grader of one question; ``auto`` goes by its gold answer.

    ``auto`` takes a letter of an option the question shows for multiple choice and a number in a
    question without options for numeric; anything else could be meant in several ways.

    Raises
    ------
    QuestionError
        If the question has no gold answer that this grader can use; `place` names it.
    """
    grader = make_grader(_infer_grader(gold, question, place) if name == "auto" else name)
    if why := grader.unsupported_reason(gold, question):
        raise QuestionError(f"{place} cannot be graded by {grader.name!r}: {why}")
    return grader


def _infer_grader(gold: str | None, question: str, place: str) -> str:
    shown = option_letters(question)
    if gold is not None and gold.strip() in tuple(shown):
        return "choice"
    if gold is not None and not shown and _no_number(gold, question) is None:
        return "numeric"
    told = "no gold answer" if gold is None else f"gold {gold!r:.40}"
    raise QuestionError(
        f"{place} has {told}, which does not say how to grade; name a --grader: {GRADER_NAMES}"
    )


def _choice(reply: str, gold: str | None, question: str) -> float | None:
    letter = extract_choice(reply, option_letters(question) or LETTERS)
    return None if letter is None else float(letter == _letter(gold))


def _numeric(relative: float, absolute: float) -> Grade:
    def grade(reply: str, gold: str | None, question: str) -> float | None:
        told = extract_number(reply)
        wanted = parse_numbers(gold or "")
        return None if told is None else float(is_close(told, wanted[0], relative, absolute))

    return grade


def _exact(reply: str, gold: str | None, question: str) -> float | None:
    return float(reply.strip() == (gold or "").strip()) if reply.strip() else None


def _text(reply: str, gold: str | None, question: str) -> float | None:
    """Compare words; a gold answer that stands among other words leaves the case open."""
    wanted = normalise_text(gold or "")
    said = [reply, *(found["rest"] for found in _STATEMENT.finditer(reply))]
    said += [found["rest"] for found in BOXED.finditer(reply)]
    texts = [text for text in map(normalise_text, (reply, said[-1])) if text]
    if not texts:
        return None
    if wanted in texts:
        return 1.0
    return None if f" {wanted} " in f" {texts[0]} " else 0.0


def normalise_text(text: str) -> str:
    """Return `text` in one case, without punctuation, articles and doubled spaces.

    Examples
    --------
    >>> normalise_text("The  Eiffel-Tower!")
    'eiffel tower'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(c if c.isalnum() or unicodedata.combining(c) else " " for c in folded)
    return " ".join(_ARTICLES.sub(" ", words).split())


def _custom_grader(name: str, path: str) -> Grade:
    """Return a function of the user's, its results checked."""
    module, _, attribute = path.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"grader {name!r} cannot be loaded: {error}") from error
    if not callable(function):
        raise ConfigError(f"grader {name!r} is a {type(function).__name__}; expected a function")

    def grade(reply: str, gold: str | None, question: str) -> float | None:
        value = function(reply, gold, question)
        if value is None:
            return None
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"{name} returned {value!r:.40}; expected None or a number in 0..1")
        return float(value)

    return grade


def _tolerances(name: str, text: str) -> tuple[float, float]:
    try:
        given = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        given = [math.nan]
    if len(given) > 2 or not all(0 <= value < math.inf for value in given):
        raise ConfigError(
            f"grader is {name!r}; expected numeric, numeric:RELATIVE or numeric:RELATIVE,ABSOLUTE "
            "with tolerances of at least 0"
        )
    relative, absolute = [*given, *(RELATIVE, ABSOLUTE)[len(given) :]]
    return relative, absolute


def _letter(gold: str | None) -> str:
    return (gold or "").strip().strip("().").upper()


def _no_gold(gold: str | None, question: str) -> str | None:
    return None if gold is not None and gold.strip() else "it has no gold answer"


def _no_words(gold: str | None, question: str) -> str | None:
    wordless = "its gold answer has neither letters nor digits"
    return _no_gold(gold, question) or (None if normalise_text(gold or "") else wordless)


def _no_option(gold: str | None, question: str) -> str | None:
    shown, letter = option_letters(question) or LETTERS, _letter(gold)
    wrong = f"its gold answer is {gold!r:.40}, its options are {shown[0]} to {shown[-1]}"
    return _no_gold(gold, question) or (None if letter and letter in tuple(shown) else wrong)


def _no_number(gold: str | None, question: str) -> str | None:
    wrong = f"its gold answer is {gold!r:.40}; expected one number, a unit may follow"
    single = (
        re.match(r"\s*[-+−(]?\s*[$€£\\]?\s*[\d.\\]", gold or "")
        and len(parse_numbers(gold or "")) == 1
    )
    return _no_gold(gold, question) or (None if single else wrong)
