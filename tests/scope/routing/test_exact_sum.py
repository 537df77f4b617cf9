import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scope.routing.metrics import ExactSum
from tests.factories.partitions import cut

NUMBERS = st.lists(st.floats(-1e12, 1e12), max_size=40)


@given(NUMBERS, st.data())
def test_the_sum_does_not_depend_on_the_portions(numbers, data):
    """
    Nor on the order: it is correctly rounded.
    """
    shuffled = np.array(data.draw(st.permutations(numbers)), dtype=float)
    total = ExactSum()

    for rows in cut(data, len(numbers)):
        total.add(shuffled[rows])

    assert total.value == math.fsum(numbers)


def test_it_holds_few_numbers():
    """
    A hundred thousand probabilities in a hundred portions: three floats at most.
    """
    total = ExactSum()

    for portion in np.random.default_rng(0).random((100, 1000)):
        total.add(portion)

    assert len(total.partials) <= 3


def test_an_infinite_term_makes_an_infinite_sum():
    """
    It is not NaN.
    """
    total = ExactSum()

    total.add(np.array([1.0, np.inf]))
    total.add(np.array([2.0]))

    assert total.value == np.inf
