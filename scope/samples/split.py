"""Split prompts by their hash."""

import hashlib
from typing import Literal

from scope.errors import ConfigError

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)
STEPS = 1000
"""Shares are rounded to this many parts."""


def split_of(prompt: str, shares: tuple[float, float, float] = SHARES) -> Split:
    """Return the split of a prompt: a hash of its text, so that one text never crosses.

    Parameters
    ----------
    prompt : str
    shares : tuple of float
        Of train, validation and test; they sum to 1.

    Examples
    --------
    >>> split_of("What is 2 + 3?"), split_of("What is 2 + 3?", (0.0, 1.0, 0.0))
    ('train', 'validation')
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise ConfigError(
            f"the shares of train, validation and test are {', '.join(f'{s:g}' for s in shares)}; "
            "expected three numbers of at least 0 that sum to 1"
        )
    number = int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16)
    # The last digit counts first: shares in tenths are those of the last digit alone.
    place = number % 10 * (STEPS // 10) + number // 10 % (STEPS // 10)
    if place < round(shares[0] * STEPS):
        return "train"
    return "validation" if place < round((shares[0] + shares[1]) * STEPS) else "test"
