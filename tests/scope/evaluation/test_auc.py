import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scope.evaluation.weighted import auc
from tests.factories.forecasts import cells_of

CELLS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40
)


@pytest.mark.parametrize(
    ("p", "correct", "expected"),
    [
        pytest.param([0.9, 0.1], [1, 0], 1.0, id="in order"),
        pytest.param([0.1, 0.9], [1, 0], 0.0, id="upside down"),
        pytest.param([0.5, 0.5], [1, 0], 0.5, id="a tie counts half"),
        pytest.param([0.9, 0.6, 0.6, 0.1], [1, 1, 0, 0], 0.875, id="3.5 of 4 pairs"),
        pytest.param([0.2, 0.8], [1, 1], np.nan, id="no wrong answer, no pair"),
        pytest.param([0.9, 0.1], [1, 0.5], 0.625 / 0.75, id="part credit is half right"),
    ],
)
def test_auc_counts_pairs_in_order(p, correct, expected):
    """
    Each small enough to count. In the last, one and a half right answers meet half a
    wrong one: 1 * .5 pairs in order, .5 * .5 a tie, of .75.
    """
    np.testing.assert_allclose(auc(cells_of(p, correct)), [expected])


@given(CELLS)
def test_auc_equals_that_of_scikit_learn(cells):
    """
    On any forecasts with ties, drawn as often as you like: in the sample each once, in
    the resample each so many times.
    """
    p, correct, times = (np.array(part, dtype=float) for part in zip(*cells, strict=True))
    weights = np.stack([np.ones_like(times), times])

    got = auc(cells_of(p / 6, correct, weights))

    for value, weight in zip(got, weights, strict=True):
        assume(0 < (weight * correct).sum() < weight.sum())
        assert value == pytest.approx(roc_auc_score(correct, p, sample_weight=weight))


def test_a_resample_of_right_answers_alone_has_no_auc():
    """
    The sample has one: .8 lies above .3.
    """
    got = auc(cells_of([0.8, 0.3], [1, 0], [[0.5, 0.5], [1, 0]]))

    np.testing.assert_allclose(got, [1.0, np.nan])
