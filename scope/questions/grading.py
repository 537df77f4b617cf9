"""Graders of replies. A reply that cannot be graded has grade None, never 0."""

import importlib
import math
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scope.errors import ConfigError, QuestionError
from scope.questions.judge import JUDGE_PREFIX
from scope.questions.literals import final_literal, grade_literal, has_open_assertion, is_literal
from scope.questions.multiple_choice import LETTERS, extract_choice, option_letters
from scope.questions.numeric import BOXED, extract_number, is_close, parse_numbers

Grade = Callable[[str, str | None, str], float | None]
"""(reply, gold, question) -> grade in [0, 1], or None if the reply cannot be graded."""

Extract = Callable[[str, str], str | None]
"""(reply, question) -> final answer, in a form that equal answers share; None if there is none."""

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Default tolerances of ``numeric``: enough for float rounding, not for a rounded answer."""

GRADER_NAMES = (
    "auto, choice, numeric, numeric:RELATIVE[,ABSOLUTE], exact, text, literal, "
    "python:MODULE:FUNCTION, judge:MODEL"
)

_STATEMENT = re.compile(r"\banswer\s*(?:is\b|:)\s*:?\s*(?P<rest>\S[^\n]*)", re.IGNORECASE)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Grader:
    """A named grading function.

    Attributes
    ----------
    name : str
        Name as given on the command line or in a question file.
    grade : callable
        Grading function; only a custom one (``python:``) may raise.
    unsupported_reason : callable
        (gold, question) -> why the grader cannot grade that question, or None if it can.
    extract : callable or None
        Returns what of a reply is graded, for a majority; None: a custom grader does not say.
    """

    name: str
    grade: Grade
    unsupported_reason: Callable[[str | None, str], str | None]
    extract: Extract | None = None


def make_grader(name: str) -> Grader:
    """Return the grader with a name, one of `GRADER_NAMES` except ``auto``.

    Raises
    ------
    ConfigError
        If the name is unknown, its tolerances are invalid, or its function cannot be loaded.
    """
    kind, _, rest = name.partition(":")
    if kind == "numeric":
        relative, absolute = _tolerances(name, rest)
        return Grader(name, _numeric(relative, absolute), _no_number, _final_number)
    if kind == "python":
        return Grader(name, _custom_grader(name, rest), lambda gold, question: None)
    if kind == "judge" and rest:
        return Grader(name, _by_judge, lambda gold, question: None)
    graders = {
        "choice": Grader(name, _choice, _no_option, _final_choice),
        "exact": Grader(name, _exact, _no_gold, _final_reply),
        "text": Grader(name, _text, _no_words, _final_words),
        "literal": Grader(name, grade_literal, _no_literal, final_literal),
    }
    if name not in graders:
        raise ConfigError(f"grader is {name!r}; expected one of {GRADER_NAMES}")
    return graders[name]


def grader_for(
    name: str, gold: str | None, question: str, location: str, *, with_judge: bool = False
) -> Grader:
    """Return the grader of one question.

    ``auto`` selects ``choice`` if the gold answer is the letter of an option in the question,
    ``literal`` if the question has an assertion to complete (``assert … == ??``), and ``numeric``
    if the gold answer is a number and the question has no options. Any other one is ambiguous.

    Parameters
    ----------
    name : str
        One of `GRADER_NAMES`.
    gold : str or None
        Gold answer.
    question : str
        Prompt of the question.
    location : str
        File and row of the question, for messages.
    with_judge : bool
        Whether the caller asks a judge for the grades of ``judge:MODEL``.

    Raises
    ------
    ConfigError
        If there is no such grader, or it is a judge and the caller asks none.
    QuestionError
        If the grader cannot use the gold answer, or ``auto`` cannot select one.
    """
    if name.startswith(JUDGE_PREFIX) and not with_judge:
        raise ConfigError(f"grader is {name!r}; only `scope measure` asks a judge")
    grader = make_grader(_infer_grader(gold, question, location) if name == "auto" else name)
    if reason := grader.unsupported_reason(gold, question):
        raise QuestionError(f"{location} cannot be graded by {grader.name!r}: {reason}")
    return grader


def _infer_grader(gold: str | None, question: str, location: str) -> str:
    letters = option_letters(question)
    if gold is not None and gold.strip() in tuple(letters):
        return "choice"
    if gold is not None and has_open_assertion(question) and is_literal(gold):
        return "literal"
    if gold is not None and not letters and _no_number(gold, question) is None:
        return "numeric"
    found = "no gold answer" if gold is None else f"gold {gold!r:.40}"
    raise QuestionError(
        f"{location} has {found}, which does not determine a grader; "
        f"set --grader to one of {GRADER_NAMES}"
    )


def _choice(reply: str, gold: str | None, question: str) -> float | None:
    letter = _final_choice(reply, question)
    return None if letter is None else float(letter == _letter(gold))


def _final_choice(reply: str, question: str) -> str | None:
    return extract_choice(reply, option_letters(question) or LETTERS)


def _numeric(relative: float, absolute: float) -> Grade:
    def grade(reply: str, gold: str | None, question: str) -> float | None:
        answer = extract_number(reply)
        expected = parse_numbers(gold or "")
        return None if answer is None else float(is_close(answer, expected[0], relative, absolute))

    return grade


def _final_number(reply: str, question: str) -> str | None:
    """Return the final number with nine digits: replies round differently."""
    answer = extract_number(reply)
    return None if answer is None else f"{answer[0]:.9g}"


def _exact(reply: str, gold: str | None, question: str) -> float | None:
    return float(reply.strip() == (gold or "").strip()) if reply.strip() else None


def _final_reply(reply: str, question: str) -> str | None:
    return reply.strip() or None


def _text(reply: str, gold: str | None, question: str) -> float | None:
    """Compare normalised words; the grade is None if the gold answer is among other words."""
    expected = normalise_text(gold or "")
    texts = [text for text in map(normalise_text, (reply, _stated(reply))) if text]
    if not texts:
        return None
    if expected in texts:
        return 1.0
    return None if f" {expected} " in f" {texts[0]} " else 0.0


def _no_literal(gold: str | None, question: str) -> str | None:
    reason = f"its gold answer is {gold!r:.40}; expected a Python literal"
    return _no_gold(gold, question) or (None if is_literal(gold or "") else reason)


def _by_judge(reply: str, gold: str | None, question: str) -> float | None:
    """Return None: the judge is asked once all answers are there."""
    return None


def _final_words(reply: str, question: str) -> str | None:
    return normalise_text(_stated(reply)) or normalise_text(reply) or None


def _stated(reply: str) -> str:
    """Return the last statement of an answer, the whole reply if there is none."""
    answers = [reply, *(match["rest"] for match in _STATEMENT.finditer(reply))]
    answers += [match["rest"] for match in BOXED.finditer(reply)]
    return answers[-1]


def normalise_text(text: str) -> str:
    """Return `text` case-folded, without punctuation, articles and repeated spaces.

    Examples
    --------
    >>> normalise_text("The  Eiffel-Tower!")
    'eiffel tower'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(c if c.isalnum() or unicodedata.combining(c) else " " for c in folded)
    return " ".join(_ARTICLES.sub(" ", words).split())


def _custom_grader(name: str, path: str) -> Grade:
    """Return a custom grading function that checks its results."""
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
        values = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        values = [math.nan]
    if len(values) > 2 or not all(0 <= value < math.inf for value in values):
        raise ConfigError(
            f"grader is {name!r}; expected numeric, numeric:RELATIVE or numeric:RELATIVE,ABSOLUTE "
            "with tolerances of at least 0"
        )
    relative, absolute = [*values, *(RELATIVE, ABSOLUTE)[len(values) :]]
    return relative, absolute


def _letter(gold: str | None) -> str:
    return (gold or "").strip().strip("().").upper()


def _no_gold(gold: str | None, question: str) -> str | None:
    return None if gold is not None and gold.strip() else "it has no gold answer"


def _no_words(gold: str | None, question: str) -> str | None:
    reason = "its gold answer has neither letters nor digits"
    return _no_gold(gold, question) or (None if normalise_text(gold or "") else reason)


def _no_option(gold: str | None, question: str) -> str | None:
    letters, letter = option_letters(question) or LETTERS, _letter(gold)
    reason = f"its gold answer is {gold!r:.40}, its options are {letters[0]} to {letters[-1]}"
    return _no_gold(gold, question) or (None if letter and letter in tuple(letters) else reason)


def _no_number(gold: str | None, question: str) -> str | None:
    reason = f"its gold answer is {gold!r:.40}; expected one number, a unit may follow"
    is_number = (
        re.match(r"\s*[-+−(]?\s*[$€£\\]?\s*[\d.\\]", gold or "")
        and len(parse_numbers(gold or "")) == 1
    )
    return _no_gold(gold, question) or (None if is_number else reason)
