from deployments.upstream.learning import KNOWN_S, MAX_FACTS, LearnedLimits
from scope.upstream import Refusal


def test_facts_are_forgotten_after_an_hour():
    """
    The server may have been started again, with a tool parser or a longer window.
    """
    now = [0.0]
    learned = LearnedLimits(lambda: now[0])
    learned.note(Refusal("context window", 2048))
    learned.note(Refusal("capability", subject="vision"))
    learned.note(Refusal("parameter", subject="max_tokens"))

    now[0] = KNOWN_S - 1
    before = (learned.window_tokens, learned.lacks, learned.rename)
    now[0] = KNOWN_S + 1
    after = (learned.window_tokens, learned.lacks, learned.rename)

    assert before == (2048, {"vision"}, {"max_tokens": "max_completion_tokens"})
    assert after == (None, frozenset(), {})


def test_the_smallest_window_counts():
    """
    In any order; a refusal without a number changes nothing.
    """
    learned = LearnedLimits()
    for tokens in (4096, 2048, 8192, None):
        learned.note(Refusal("context window", tokens))

    assert learned.window_tokens == 2048


def test_the_number_of_facts_has_a_limit():
    """
    A client that sends a new field in every request does not fill the memory.
    """
    learned = LearnedLimits()
    for i in range(2 * MAX_FACTS):
        learned.note(Refusal("parameter", subject=f"field{i}"))

    assert len(learned.lacks) == MAX_FACTS
    assert f"field{2 * MAX_FACTS - 1}" in learned.lacks


def test_a_field_that_is_refused_by_both_names_is_not_renamed_to_and_fro():
    """
    The second refusal ends it.
    """
    learned = LearnedLimits()

    assert learned.note(Refusal("parameter", subject="max_tokens"))
    assert not learned.note(Refusal("parameter", subject="max_completion_tokens"))
    assert not learned.note(Refusal("parameter", subject="max_tokens"))
    assert learned.lacks == {"max_completion_tokens"}
