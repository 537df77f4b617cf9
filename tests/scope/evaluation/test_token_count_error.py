import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scope.evaluation.weighted import TokenCountError, weighted_medians
from tests.factories.forecasts import cells_of

DRAWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=20)


def test_length_errors_are_medians():
    """
    Errors of 10, 20 and 90 tokens are .1, .2 and .9 of 100. An answer of no tokens has
    no relative error, an unknown length no error.
    """
    got = TokenCountError.from_pairs(cells_of([110, 80, 190, 5], [100, 100, 100, np.nan]))
    empty = TokenCountError.from_pairs(cells_of([5], [0]))

    assert (got.n, got.tokens.value, got.relative.value) == (3, 20.0, 0.2)
    assert empty.tokens.value == 5.0
    assert math.isnan(empty.relative.value)


def test_without_known_lengths_the_error_is_unknown():
    """
    NaN with an interval of NaN.
    """
    got = TokenCountError.from_pairs(cells_of([5], [np.nan], [[1], [1]]))

    assert got.n == 0
    assert all(math.isnan(value) for value in (got.tokens.value, got.tokens.low))


@given(DRAWS)
def test_a_weighted_median_is_the_median_of_repeated_values(drawn):
    """
    For the sample and for a resample with each value repeated, as weights that sum to 1
    up to rounding.
    """
    values, times = (np.array(part) for part in zip(*drawn, strict=True))
    n = len(values)
    cells = cells_of(np.zeros(n), np.zeros(n), [np.full(n, 1 / n), times / n])

    got = weighted_medians(cells, values.astype(float))

    repeated = np.repeat(values, times)
    expected = np.median(repeated) if repeated.size else np.nan
    np.testing.assert_array_equal(got, [np.median(values), expected])
