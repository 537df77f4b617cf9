"""Extract the final number from a reply, and compare numbers."""

import math
import re

_UNIT_POWER = re.compile(
    r"\s*(?:×|\\times|\\cdot|·|\*)\s*10\s*(?:\^|\*\*)\s*\{?\s*([-+−]?\d+)\s*\}?"
)
_POWER = re.compile(r"(?<![\d.])10\s*\^\s*\{?\s*([-+−]?\d+)\s*\}?")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*([-+−]?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}")
_SPACES = re.compile(r"\\[,;! ]|[\u00a0\u2009\u202f]|\{,\}")
_NOISE = re.compile(r"\*\*|`|\$|\\[()\[\]]|€|£|¥|\\text\s*\{([^{}]*)\}|\\(?=%)")

_PLAIN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"(?<![\w.])(?P<sign>[-+−]\s?)?(?P<top>{_PLAIN})(?P<power>[eE][-+−]?\d+)?"
    rf"(?:\s?/\s?(?P<bottom>{_PLAIN}))?(?P<percent>\s?%)?"
)
_STATEMENT = re.compile(
    r"(?i:\banswers?\b\s*(?:is|are|would\s+be|should\s+be|must\s+be|=|:)\s*:?|####)"
    r"(?P<rest>[^\n]*)"
)
BOXED = re.compile(r"\\boxed\s*\{(?P<rest>(?:[^{}]|\{[^{}]*\})*)\}")

ParsedNumber = tuple[float, bool]
"""A value, and whether it was written as a percentage (50 % is 0.5 and True)."""


def parse_numbers(text: str) -> list[ParsedNumber]:
    r"""Return every number in `text`, in order.

    Numbers may have signs, thousands separators, decimals and powers (``1.2e-3``,
    ``1.2 × 10^{-3}``), and may be fractions (``3/4``, ``\frac{3}{4}``) or percentages.

    Examples
    --------
    >>> parse_numbers("1,234.5 m, 3/4 or 50 %")
    [(1234.5, False), (0.75, False), (0.5, True)]
    """
    values = [_value(match) for match in _NUMBER.finditer(_plain(text))]
    return [value for value in values if value is not None]


def extract_number(reply: str) -> ParsedNumber | None:
    r"""Return the final number of a reply; None if it is missing or ambiguous.

    The last ``\boxed{…}`` counts if it has a number, else the last "the answer is …",
    "Answer: …" or ``#### …``. A statement with several numbers counts by the number after its
    last equals sign. Without a statement the only number of the last line counts, else the only
    number of the reply.
    """
    boxed = [match["rest"] for match in BOXED.finditer(reply)]
    bare = BOXED.sub(r"\g<rest>", reply)
    stated = [match["rest"] for match in _STATEMENT.finditer(bare)]
    for statement in (*boxed[-1:], *stated[-1:]):
        if parse_numbers(statement):
            return _single_number(statement)
    last_line = bare.strip().splitlines()[-1:]
    return next(
        (number for text in (*last_line, bare) if (number := _single_number(text)) is not None),
        None,
    )


def is_close(
    answer: ParsedNumber, expected: ParsedNumber, relative: float, absolute: float
) -> bool:
    """Return whether two numbers agree within a tolerance.

    If only one of them is a percentage, it may also agree without the percent sign.
    """
    (value, percent), (gold, gold_percent) = answer, expected
    scales = [1.0] if percent == gold_percent else [1.0, 100.0 if percent else 0.01]
    return any(
        math.isclose(value * scale, gold, rel_tol=relative, abs_tol=absolute) for scale in scales
    )


def _single_number(text: str) -> ParsedNumber | None:
    """Return the only number of `text`, or the only one after its last equals sign."""
    for part in (text, text.rsplit("=", 1)[-1], text.rsplit("≈", 1)[-1]):
        if len(numbers := set(parse_numbers(part))) == 1:
            return numbers.pop()
    return None


def _plain(text: str) -> str:
    text = _NOISE.sub(r" \1", _SPACES.sub(lambda match: "," if match[0] == "{,}" else " ", text))
    text = _FRACTION.sub(r"\1/\2", text)
    return _POWER.sub(r"1e\1", _UNIT_POWER.sub(r"e\1", text))


def _value(match: re.Match[str]) -> ParsedNumber | None:
    """Return the number of a match; None if it is not a finite float."""
    power = (match["power"] or "").replace("−", "-")
    bottom = _strip_separators(match["bottom"] or "1")
    value = float(_strip_separators(match["top"]) + power)
    if (match["sign"] or "").strip() in ("-", "−"):
        value = -value
    value = value / float(bottom) if float(bottom) else math.inf
    percent = bool(match["percent"])
    return (value / 100 if percent else value, percent) if math.isfinite(value) else None


def _strip_separators(digits: str) -> str:
    return digits.replace(",", "").replace(" ", "")
