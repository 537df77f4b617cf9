"""How the examples and the target question share the tokens of a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_EXAMPLE_TOKENS = 48
"""An example is not cut below this; rather the farthest is left out."""


@dataclass(frozen=True, slots=True)
class TokenAllocation:
    """Tokens that each text may take.

    Attributes
    ----------
    examples : tuple of int
        Of each example kept, nearest first.
    question : int
    """

    examples: tuple[int, ...]
    question: int


def allocate_tokens(
    example_tokens: Sequence[int], question_tokens: int, room: Sequence[int]
) -> TokenAllocation:
    """Share the room of a prompt.

    The question is kept whole as long as it can be. Examples shrink first, the longest first,
    to one common length of at least `FLOOR_TOKENS`; where that is not enough, the farthest are
    left out; only without any is the question cut.

    Parameters
    ----------
    example_tokens : sequence of int
        Lengths of the examples, nearest first.
    question_tokens : int
    room : sequence of int
        ``room[n]`` tokens are there for the texts of n examples and the question.

    Examples
    --------
    >>> allocate_tokens([300, 50, 200], 100, [1_000, 900, 800, 400])
    TokenAllocation(examples=(125, 50, 125), question=100)
    >>> allocate_tokens([300, 50, 200], 100, [400, 300, 200, 100])
    TokenAllocation(examples=(50, 50), question=100)
    >>> allocate_tokens([300], 500, [400, 300])
    TokenAllocation(examples=(), question=400)
    """
    for n in range(len(example_tokens), 0, -1):
        nearest = example_tokens[:n]
        left = room[n] - question_tokens
        if left >= sum(min(tokens, MIN_EXAMPLE_TOKENS) for tokens in nearest):
            longest = water_fill(nearest, left)
            return TokenAllocation(
                tuple(min(tokens, longest) for tokens in nearest), question_tokens
            )
    return TokenAllocation((), max(min(question_tokens, room[0]), 0))


def water_fill(lengths: Sequence[int], room: int) -> int:
    """Return the largest whole length to which all may be cut so that they fit into `room`.

    Examples
    --------
    >>> water_fill([10, 50, 60], 90)
    40
    """
    left, n_left = room, len(lengths)
    for length in sorted(lengths):
        if length * n_left > left:
            return left // n_left
        left, n_left = left - length, n_left - 1
    return max(lengths, default=0)
