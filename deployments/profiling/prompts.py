"""Prompts of a wanted length, each different from all others."""

import itertools
from collections.abc import Iterator

CHARS_PER_TOKEN = 4
"""Of English text."""

TEXT = (
    "which of these is the best reason for a city to build more parks near the river when prices "
    "of food rise faster than wages and people have less time energy light glass water iron proof "
    "theorem market law cell nerve planet wave number set group poem battle treaty vote engine "
    "voltage acid bond orbit gene virus stone cloud contract court loan tax model graph"
)


def distinct_prompts(prompt_tokens: int, seed: int = 0) -> Iterator[str]:
    """Yield prompts without end, no two alike.

    Parameters
    ----------
    prompt_tokens : int
        Length of each, at `CHARS_PER_TOKEN`.
    seed : int, default=0
        Another seed yields other prompts.

    Examples
    --------
    >>> first, second = itertools.islice(distinct_prompts(10), 2)
    >>> len(first), first == second
    (40, False)
    """
    n_chars = CHARS_PER_TOKEN * prompt_tokens
    vocabulary = TEXT.split()
    for serial in itertools.count():
        # A step that is prime to the number of words visits all of them in another order.
        first = serial * 31 + seed * 17
        words = (vocabulary[(first + 7 * step) % len(vocabulary)] for step in range(n_chars))
        text = f"{seed}.{serial} "
        for word in words:
            if len(text) >= n_chars:
                break
            text += f"{word} "
        yield text[: n_chars - 1] + "?"
