import pytest

from deployments.telemetry.recent_decisions import (
    TTL_S,
    RecentDecision,
    RecentDecisions,
    tenth_of,
)


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def test_a_decision_is_known_to_its_client_for_a_day():
    """
    To no other client, and not after it.
    """
    clock = Clock()
    recent = RecentDecisions(clock)
    recent.put("dec_1", RecentDecision("ann", "small", 0.5))

    mine, another = recent.get("dec_1", "ann"), recent.get("dec_1", "bob")
    clock.now = TTL_S + 1

    assert mine.model == "small"
    assert another is None
    assert recent.get("dec_1", "ann") is None


@pytest.mark.parametrize(
    ("p_correct", "tenth"),
    [(0, "0.0"), (0.099, "0.0"), (0.1, "0.1"), (0.3, "0.3"), (0.7, "0.7"), (1, "0.9")],
)
def test_a_probability_is_in_the_tenth_of_its_lower_end(p_correct, tenth):
    """
    1 is in the last one.
    """
    assert tenth_of(p_correct) == tenth
