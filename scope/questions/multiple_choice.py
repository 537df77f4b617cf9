"""Extract the chosen option from a reply to a multiple-choice question."""

import re
from collections.abc import Iterator

LETTERS = "ABCDEFGHIJ"

_MARKER = re.compile(r"(?:^|[\s(])([A-J])[.):](?=\s|$)", re.MULTILINE)
_LINE_MARKER = re.compile(r"^\s*\(?([A-J])[.):](?=\s|$)", re.MULTILINE)
_MARKUP = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathbb)\s*\{([^{}]*)\}")
_NOISE = re.compile(r"\*+|`+|[\"“”]|__+|\$+|\\[()\[\]]")

# In "The answer is A plane" the letter is an article, in "the answer is I think" a pronoun: a
# bare letter counts only before an end, punctuation or one of these words.
_FOLLOWED_BY = (
    r"(?=\s*(?:$|[.,;:!)\]}\n/&–—]|-\s|\(|(?:because|since|as|and|or|nor|but|due|which|with|for"
    r"|is|not|if|based|from|given)\b))"
)
_LETTER = rf"(?:\(\s*[A-Ja-j]\s*\)|\[\s*[A-Ja-j]\s*\]|\b[A-J](?![\w'’]|-\w){_FOLLOWED_BY})"
_LIST = rf"{_LETTER}(?:\s*(?:,\s*(?:and|or)?|/|&|and|or|nor)\s*{_LETTER})*"
_OPTION = r"(?:(?:the\s+)?(?:option|choice|letter|answer)s?\s*:?\s*)?"
_NEGATION = r"(?P<negation>(?:\s*(?:not|n't|never)\b)?)"
_SUBJECT = (
    r"(?<!\bincorrect )(?<!\bwrong )\b(?:answers?(?:\s+(?:choice|option|letter))?"
    r"|correct\s+(?:option|choice|letter)s?"
    r"|best\s+(?:option|choice)|(?:option|choice)\s+(?:selected|chosen))"
)
_STATEMENTS = (
    re.compile(r"\\boxed\s*\{\s*(?P<letters>\(?\s*[A-Ja-j]\s*\)?)[.:]?(?:\s[^{}]*)?\}"),
    re.compile(r"(?i:<answer>)\s*(?P<letters>\(?[A-Ja-j]\)?)\s*(?i:</answer>)"),
    re.compile(
        rf"(?i:{_SUBJECT}\s*(?:is|are|would\s+be|should\s+be|must\s+be|has\s+to\s+be)){_NEGATION}"
        rf"(?i:\s*:?\s*(?:either|both|neither|clearly|therefore|thus)?\s*{_OPTION})"
        rf"(?P<letters>{_LIST})(?!\s*\?)"
    ),
    re.compile(rf"(?i:{_SUBJECT}\s*[:=-]\s*{_OPTION})(?P<letters>{_LIST})(?!\s*\?)"),
    re.compile(r"(?im:^\s*(?:final\s+)?answer\s*[:=]\s*)(?P<letters>[a-j])(?=\s*\.?\s*$)", re.M),
    re.compile(rf"(?i:\b(?:I|we)\s+(?:choose|pick|select)\s+{_OPTION})(?P<letters>{_LIST})"),
    re.compile(
        r"(?P<letters>\(\s*[A-J]\s*\)|(?i:\b(?:option|choice)\s+)[A-J]|\b[A-J])\s+(?:is|are)"
        rf"{_NEGATION}\s+(?:the\s+)?(?:correct|right|best)\b"
    ),
)
_LONE = re.compile(r"^\W*([A-Ja-j])\W*$")
_HEADED = re.compile(r"^\s*\(?([A-J])[.):]\s+\S")


def option_letters(question: str) -> str:
    """Return the letters of the options in a question; empty if it has none.

    Options are marked ``A.``, ``(A)`` or ``A:``, in alphabetical order without a gap.

    Examples
    --------
    >>> option_letters("Which one? A) red B) green C) blue"), option_letters("Name a colour.")
    ('ABC', '')
    """
    # The text of an option may contain markers, so markers at the start of a line are preferred.
    return _longest_run(_LINE_MARKER, question) or _longest_run(_MARKER, question)


def _longest_run(marker: re.Pattern[str], question: str) -> str:
    """Return the longest run of markers that starts with A, if it has at least two letters."""
    longest = run = ""
    for match in marker.finditer(question):
        letter = match[1]
        if letter == LETTERS[len(run) : len(run) + 1]:
            run += letter
        elif letter == "A":
            run = letter
        longest = max(longest, run, key=len)
    return longest if len(longest) > 1 else ""


def extract_choice(reply: str, allowed: str = LETTERS) -> str | None:
    r"""Return the option that a reply chooses.

    The last clear statement counts: "the answer is C", "Answer: C", ``\boxed{C}``, "C is
    correct". Without a statement, a reply or last line that consists of one letter counts. There
    is no choice if the statement names two options, none, or one that is not `allowed`.

    Parameters
    ----------
    reply : str
    allowed : str
        Letters of the options that exist.

    Returns
    -------
    str or None
        One capital letter; None if there is no clear choice.

    Examples
    --------
    >>> extract_choice("A good one! I first thought (B), but **the answer is (C)**.")
    'C'
    >>> extract_choice("The answer is A or B") is None
    True
    """
    text = _NOISE.sub("", _MARKUP.sub(r"\1", reply)).strip()
    statements = sorted(_statements(text), key=lambda statement: statement[0])
    letters: set[str] | None = None
    for _, is_negated, named in statements:
        if not is_negated:
            letters = named
        elif letters is not None and letters <= named:
            letters = set()  # the reply retracts its choice
    if letters is None:
        letters = _bare_letter(text)
    choice = next(iter(letters)) if len(letters) == 1 else ""
    return choice if choice and choice in allowed else None


def _statements(text: str) -> Iterator[tuple[int, bool, set[str]]]:
    """Yield start, negation and named letters of each statement."""
    for pattern in _STATEMENTS:
        for match in pattern.finditer(text):
            named = re.findall(r"\b[A-Ja-j]\b", match["letters"])
            is_negated = bool(match.groupdict().get("negation"))
            yield match.start("letters"), is_negated, {letter.upper() for letter in named}


def _bare_letter(text: str) -> set[str]:
    """Return the letter that is the whole reply or its last line, or that starts a single line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and (lone := _LONE.match(lines[-1])):
        return {lone[1].upper()}
    if len(lines) == 1 and (headed := _HEADED.match(lines[0])):
        return {headed[1]}
    return set()
