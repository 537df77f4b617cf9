"""Draw a sample that depends on the ids alone."""

import hashlib
from collections.abc import Sequence


def hash_sample(ids: Sequence[str], n: int) -> list[int]:
    """Return rising places of `n` ids drawn by their hash.

    The same ids give the same sample in any order and on any machine, and none
    is favoured by its place in a file.
    """
    order = sorted(range(len(ids)), key=lambda q: hashlib.sha256(ids[q].encode()).digest())
    return sorted(order[:n])
