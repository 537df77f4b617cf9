"""Surface features of a text: counts of words, numbers, symbols and options, without a model."""

import re
from collections.abc import Sequence

import numpy as np

from scope.arrays import FloatArray

_PATTERNS: dict[str, re.Pattern[str]] = {
    "n_words": re.compile(r"\w+"),
    "n_long_words": re.compile(r"\b\w{9,}\b"),
    "n_lines": re.compile(r"\n"),
    "n_digits": re.compile(r"\d"),
    "n_numbers": re.compile(r"\d+(?:\.\d+)?"),
    "n_symbols": re.compile(r"[^\w\s]"),
    "n_non_ascii": re.compile(r"[^\x00-\x7f]"),
    "n_capitals": re.compile(r"[A-Z]"),
    "n_operators": re.compile(r"[=+*/^<>]"),
    "n_latex": re.compile(r"\\[a-zA-Z]+|\$"),
    "n_units": re.compile(
        r"\b(?:m|kg|cm|mm|km|s|ms|j|kj|mol|k|pa|atm|hz|v|ohm|ft|lb|psi|°c|°f|ev)\b", re.IGNORECASE
    ),
    "n_money": re.compile(r"[$€£%]"),
    "n_quotes": re.compile(r"[\"'“”‘’]"),
    "n_blanks": re.compile(r"_{2,}"),
    "n_code": re.compile(r"\b(?:def|return|for|if|print|class|import|assert)\b|[{}\[\]();]"),
    "n_question_marks": re.compile(r"\?"),
    "n_question_words": re.compile(r"\b(?:which|what|who|when|where|why|how)\b", re.IGNORECASE),
    "n_commands": re.compile(
        r"\b(?:calculate|compute|determine|find|estimate|how many|how much|evaluate|solve)\b",
        re.IGNORECASE,
    ),
    "n_negations": re.compile(r"\b(?:not|except|never|incorrect|false|least)\b", re.IGNORECASE),
    "n_persons": re.compile(r"\b(?:i|my|we|you|your|he|she|his|her)\b", re.IGNORECASE),
    "n_statements": re.compile(r"Statement|\bI+\b"),
    "n_catch_alls": re.compile(r"none of the|all of the|both|neither", re.IGNORECASE),
}
_OPTION = re.compile(r"^[A-J][.):] (.*)$", re.MULTILINE)
_NUMERIC = re.compile(r"\s*[-+$(]*\d")
_OPTION_FEATURES = (
    "n_options",
    "n_distinct_options",
    "n_numeric_options",
    "n_option_chars",
    "n_longest_option_chars",
    "n_shortest_option_chars",
)

FEATURES: tuple[str, ...] = ("n_chars", *_PATTERNS, "n_stem_chars", *_OPTION_FEATURES)
"""Names of the columns of `text_features`, in order."""


def text_features(texts: Sequence[str]) -> FloatArray:
    """Count words, numbers, formulae, code, negations and options of each text.

    Parameters
    ----------
    texts : sequence of str
        Whole prompts, not only the embedded part, because all tokens are paid for.

    Returns
    -------
    ndarray of shape (n_texts, n_features)
        Integer counts >= 0, with the columns of `FEATURES`.

    Examples
    --------
    >>> counts = dict(zip(FEATURES, text_features(["2 + 2?"])[0].astype(int).tolist()))
    >>> counts["n_chars"], counts["n_numbers"], counts["n_operators"], counts["n_options"]
    (6, 2, 1, 0)
    """
    counts = [_counts(text) for text in texts]
    return np.array(counts, dtype=np.float64).reshape(len(counts), len(FEATURES))


def _counts(text: str) -> list[int]:
    options = list(_OPTION.finditer(text))
    stem = text[: options[0].start()] if options else text
    return [
        len(text),
        *(sum(1 for _ in pattern.finditer(text)) for pattern in _PATTERNS.values()),
        len(stem),
        *_option_counts([option[1].strip() for option in options]),
    ]


def _option_counts(options: Sequence[str]) -> list[int]:
    lengths = [len(option) for option in options]
    return [
        len(options),
        len({option.lower() for option in options}),
        sum(_NUMERIC.match(option) is not None for option in options),
        sum(lengths),
        max(lengths, default=0),
        min(lengths, default=0),
    ]
