import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.reasoner.prompt import MIN_EXAMPLE_TOKENS, TokenAllocation, allocate_tokens, water_fill

LENGTHS = st.lists(st.integers(0, 3_000), max_size=6)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        pytest.param(900, TokenAllocation((300, 100, 200), 300), id="everything fits"),
        pytest.param(750, TokenAllocation((175, 100, 175), 300), id="the longest are cut first"),
        pytest.param(480, TokenAllocation((60, 60, 60), 300), id="all are cut to one length"),
        pytest.param(
            300 + 3 * MIN_EXAMPLE_TOKENS, TokenAllocation((48, 48, 48), 300), id="to the minimum"
        ),
        pytest.param(
            299 + 3 * MIN_EXAMPLE_TOKENS,
            TokenAllocation((71, 71), 300),
            id="then the last is dropped",
        ),
        pytest.param(300 + MIN_EXAMPLE_TOKENS, TokenAllocation((48,), 300), id="down to one"),
        pytest.param(299 + MIN_EXAMPLE_TOKENS, TokenAllocation((), 300), id="and to none"),
        pytest.param(200, TokenAllocation((), 200), id="only then is the question cut"),
        pytest.param(-10, TokenAllocation((), 0), id="to nothing"),
    ],
)
def test_the_question_is_cut_last(budget, expected):
    """
    Three examples of 300, 100 and 200 tokens, most similar first, and a question of 300.
    """
    assert allocate_tokens([300, 100, 200], 300, [budget] * 4) == expected


@given(LENGTHS, st.integers(0, 3_000), st.integers(-100, 12_000))
def test_the_budget_is_kept_and_used(lengths, question, budget):
    """
    If examples are cut, less than one token for each of them is unused.
    """
    allocation = allocate_tokens(lengths, question, [budget] * (len(lengths) + 1))
    used = sum(allocation.examples) + allocation.question

    assert used <= max(budget, 0)
    assert all(n <= length for n, length in zip(allocation.examples, lengths, strict=False))
    whole = [*allocation.examples] == lengths[: len(allocation.examples)]
    if allocation.examples and not whole:
        assert budget - used < len(allocation.examples)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=8), st.integers(0, 4_000))
def test_the_common_limit_is_the_largest_that_fits(lengths, budget):
    """
    A limit of one more exceeds the budget, unless nothing is cut.
    """

    def used(limit):
        return sum(min(length, limit) for length in lengths)

    limit = water_fill(lengths, budget)

    assert used(limit) <= budget
    assert limit == max(lengths) or used(limit + 1) > budget
