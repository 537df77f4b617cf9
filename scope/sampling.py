"""Draw a sample that depends only on the ids."""

import hashlib
from collections.abc import Sequence


def hash_sample(ids: Sequence[str], n: int) -> list[int]:
    """Return the ascending indices of `n` ids drawn by their hash.

    The same ids give the same sample in any order and on any machine.
    """
    return sorted(hash_order(ids)[:n])


def hash_order(ids: Sequence[str]) -> list[int]:
    """Return the indices of the ids in the order of their hashes."""
    return sorted(range(len(ids)), key=lambda q: hashlib.sha256(ids[q].encode()).digest())
