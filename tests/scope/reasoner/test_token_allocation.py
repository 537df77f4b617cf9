import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.reasoner.prompt import MIN_EXAMPLE_TOKENS, TokenAllocation, allocate_tokens, water_fill

LENGTHS = st.lists(st.integers(0, 3_000), max_size=6)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        pytest.param(900, TokenAllocation((300, 100, 200), 300), id="all fits"),
        pytest.param(750, TokenAllocation((175, 100, 175), 300), id="the longest shrink first"),
        pytest.param(480, TokenAllocation((60, 60, 60), 300), id="all shrink evenly"),
        pytest.param(
            300 + 3 * MIN_EXAMPLE_TOKENS, TokenAllocation((48, 48, 48), 300), id="to the floor"
        ),
        pytest.param(
            299 + 3 * MIN_EXAMPLE_TOKENS,
            TokenAllocation((71, 71), 300),
            id="then the farthest goes",
        ),
        pytest.param(300 + MIN_EXAMPLE_TOKENS, TokenAllocation((48,), 300), id="down to one"),
        pytest.param(299 + MIN_EXAMPLE_TOKENS, TokenAllocation((), 300), id="and to none"),
        pytest.param(200, TokenAllocation((), 200), id="only then is the question cut"),
        pytest.param(-10, TokenAllocation((), 0), id="to nothing"),
    ],
)
def test_the_question_is_cut_last(room, expected):
    """
    Three examples of 300, 100 and 200 tokens, nearest first, and a question of 300.
    """
    assert allocate_tokens([300, 100, 200], 300, [room] * 4) == expected


@given(LENGTHS, st.integers(0, 3_000), st.integers(-100, 12_000))
def test_no_room_is_overdrawn_and_none_of_use_is_left(lengths, question, room):
    """
    Whatever is cut, the room is full to less than one token for each example.
    """
    plan = allocate_tokens(lengths, question, [room] * (len(lengths) + 1))
    taken = sum(plan.examples) + plan.question

    assert taken <= max(room, 0)
    assert all(n <= length for n, length in zip(plan.examples, lengths, strict=False))
    whole = [*plan.examples] == lengths[: len(plan.examples)]
    if plan.examples and not whole:
        assert room - taken < len(plan.examples)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=8), st.integers(0, 4_000))
def test_a_common_length_is_the_largest_that_fits(lengths, room):
    """
    One more would be too long, if there is anything left to gain.
    """

    def taken(longest):
        return sum(min(length, longest) for length in lengths)

    longest = water_fill(lengths, room)

    assert taken(longest) <= room
    assert longest == max(lengths) or taken(longest + 1) > room
