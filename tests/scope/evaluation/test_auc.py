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
        pytest.param([0.1, 0.9], [1, 0], 0.0, id="in reverse order"),
        pytest.param([0.5, 0.5], [1, 0], 0.5, id="a tie counts half"),
        pytest.param([0.9, 0.6, 0.6, 0.1], [1, 1, 0, 0], 0.875, id="3.5 of 4 pairs"),
        pytest.param([0.2, 0.8], [1, 1], np.nan, id="without a wrong answer there is no pair"),
        pytest.param([0.9, 0.1], [1, 0.5], 0.625 / 0.75, id="partial credit counts in part"),
    ],
)
def test_auc_counts_pairs_in_order(p, correct, expected):
    """
    Counted by hand. In the last case, 1.5 correct answers are compared with half a wrong
    one: 1 * .5 pairs in order and .5 * .5 tied, of .75.
    """
    np.testing.assert_allclose(auc(cells_of(p, correct)), [expected])


@given(CELLS)
def test_auc_equals_that_of_scikit_learn(cells):
    """
    For any forecasts with ties: each counts once in the sample, and any number of times
    in the resample.
    """
    p, correct, times = (np.array(part, dtype=float) for part in zip(*cells, strict=True))
    weights = np.stack([np.ones_like(times), times])

    got = auc(cells_of(p / 6, correct, weights))

    for value, weight in zip(got, weights, strict=True):
        assume(0 < (weight * correct).sum() < weight.sum())
        assert value == pytest.approx(roc_auc_score(correct, p, sample_weight=weight))


def test_a_resample_of_correct_answers_only_has_no_auc():
    """
    The AUC of the sample is 1: .8 lies above .3.
    """
    got = auc(cells_of([0.8, 0.3], [1, 0], [[0.5, 0.5], [1, 0]]))

    np.testing.assert_allclose(got, [1.0, np.nan])
