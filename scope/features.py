"""Numbers read off a text without a model: they foretell its length in tokens."""

import re
from collections.abc import Sequence

import numpy as np

from scope.arrays import Floats

_PATTERNS: dict[str, re.Pattern[str]] = {
    "n_words": re.compile(r"\w+"),
    "n_digits": re.compile(r"\d"),
    "n_symbols": re.compile(r"[^\w\s]"),
    "n_lines": re.compile(r"\n"),
    "n_non_ascii": re.compile(r"[^\x00-\x7f]"),
    "n_latex": re.compile(r"\\[a-zA-Z]+|\$"),
    "n_options": re.compile(r"^[A-J][.):] ", re.MULTILINE),
}

FEATURES: tuple[str, ...] = ("n_chars", *_PATTERNS)
"""Names of the columns of `text_features`, in order."""


def text_features(texts: Sequence[str]) -> Floats:
    """Count characters, words, digits, symbols, lines, formulae and options.

    Parameters
    ----------
    texts : sequence of str
        Whole prompts, not the part the encoder sees: their cost is that of all
        their tokens.

    Returns
    -------
    ndarray of shape (n_texts, n_features)
        Counts >= 0, columns as in `FEATURES`.

    Examples
    --------
    >>> text_features(["2 + 2?"])[0].astype(int).tolist()
    [6, 2, 2, 2, 0, 0, 0, 0]
    """
    counts = [
        [len(text), *(len(pattern.findall(text)) for pattern in _PATTERNS.values())]
        for text in texts
    ]
    return np.array(counts, dtype=np.float64).reshape(len(counts), len(FEATURES))
