"""The recent decisions of one replica, which clients may give a score."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

MAX_DECISIONS = 100_000
"""Decisions that a replica remembers, 0.5 KB each; the oldest are removed."""

TTL_S = 24 * 3600.0
"""How long a decision may be given a score."""

UNKNOWN_TENTH = "unknown"


@dataclass(slots=True)
class RecentDecision:
    """What a score of a decision is compared with.

    Attributes
    ----------
    client : str
        Name of the API key that asked.
    model : str or None
        The model that answered; without an answer, the chosen one.
    p_correct : float or None
        Its predicted probability of a correct answer; None where it is unknown.
    score : float or None
        In [0, 1]; None before it is given.
    """

    client: str
    model: str | None
    p_correct: float | None
    score: float | None = None


class RecentDecisions:
    """Decisions by id, limited by number and age.

    Parameters
    ----------
    clock : callable, optional
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._decisions: TTLCache[str, RecentDecision] = TTLCache(MAX_DECISIONS, TTL_S, timer=clock)

    def put(self, decision_id: str, decision: RecentDecision) -> None:
        """Remember a decision."""
        self._decisions[decision_id] = decision

    def get(self, decision_id: str, client: str) -> RecentDecision | None:
        """Return a decision; None where it is unknown, or another client's."""
        decision = self._decisions.get(decision_id)
        return decision if decision is not None and decision.client == client else None


def tenth_of(p_correct: float | None) -> str:
    """Return the tenth that a probability lies in, by its lower end.

    Examples
    --------
    >>> tenth_of(0.0), tenth_of(0.39), tenth_of(1.0), tenth_of(None)
    ('0.0', '0.3', '0.9', 'unknown')
    """
    if p_correct is None:
        return UNKNOWN_TENTH
    return f"0.{min(int(10 * p_correct), 9)}"
