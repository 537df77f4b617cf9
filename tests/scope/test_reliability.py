import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scope.reliability import LengthError, Reliability, auc, equal_mass_bins

CELLS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)


@pytest.mark.parametrize(
    ("p", "correct", "expected"),
    [
        pytest.param([0.9, 0.1], [1, 0], 1.0, id="in order"),
        pytest.param([0.1, 0.9], [1, 0], 0.0, id="upside down"),
        pytest.param([0.5, 0.5], [1, 0], 0.5, id="a tie counts half"),
        pytest.param([0.9, 0.6, 0.6, 0.1], [1, 1, 0, 0], 0.875, id="3.5 of 4 pairs"),
        pytest.param([0.2, 0.8], [1, 1], np.nan, id="no wrong answer, no pair"),
        pytest.param([0.9, 0.1], [1, 0.5], 2 / 3, id="part credit is half right, half wrong"),
    ],
)
def test_auc_counts_pairs_in_order(p, correct, expected):
    """
    Each small enough to count. In the last, one and a half right answers meet half a
    wrong one: 1 * .5 pairs in order, .5 * .5 a tie, of .75.
    """
    got = auc(np.array(p), np.array(correct, dtype=float))

    np.testing.assert_allclose(got, expected if expected != 2 / 3 else (0.5 + 0.125) / 0.75)


@given(CELLS)
def test_auc_equals_that_of_scikit_learn(cells):
    """
    On any forecasts with ties.
    """
    p, correct = np.array([c[0] / 6 for c in cells]), np.array([float(c[1]) for c in cells])
    assume(0 < correct.sum() < len(correct))

    assert auc(p, correct) == pytest.approx(roc_auc_score(correct, p))


def test_the_scores_by_hand():
    """
    .8 for a right answer, .4 for a wrong one.
    """
    got = Reliability.of(np.array([0.8, 0.4, np.nan]), np.array([1.0, 0.0, 1.0]))

    assert got.n == 2
    assert got.brier == pytest.approx((0.04 + 0.16) / 2)
    assert got.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    assert got.ece == pytest.approx((0.2 + 0.4) / 2)


def test_a_boast_that_fails_costs_no_more_than_a_thousandth():
    """
    Else one forecast of 0 that came true would make the mean infinite.
    """
    got = Reliability.of(np.array([0.0, 1.0]), np.array([1.0, 1.0]))

    assert got.log_loss == pytest.approx(-(math.log(0.001) + math.log(0.999)) / 2)


def test_one_kind_of_answer_has_no_auc_and_says_why():
    """
    NaN and a reason, not a half.
    """
    right = Reliability.of(np.full(3, 0.5), np.ones(3))
    wrong = Reliability.of(np.full(3, 0.5), np.zeros(3))

    assert math.isnan(right.auc)
    assert right.note == "no AUC: all 3 answers are right"
    assert wrong.note == "no AUC: all 3 answers are wrong"


def test_nothing_known_is_refused():
    """
    No number is computed from nothing.
    """
    with pytest.raises(ValueError, match="no forecast has a known outcome"):
        Reliability.of(np.array([0.5]), np.array([np.nan]))


def test_bins_are_of_equal_mass():
    """
    Thirty different forecasts, fifteen bins of two.
    """
    bins = equal_mass_bins(np.arange(30) / 30, np.ones(30))

    assert [one.n for one in bins] == [2] * 15


@given(CELLS, st.randoms(use_true_random=False))
def test_the_order_of_cells_changes_nothing(cells, random):
    """
    Equal forecasts share a bin.
    """
    shuffled = random.sample(cells, len(cells))
    first, second = (
        Reliability.of(np.array([c[0] / 6 for c in some]), np.array([float(c[1]) for c in some]))
        for some in (cells, shuffled)
    )

    np.testing.assert_allclose(
        [first.auc, first.brier, first.log_loss, first.ece],
        [second.auc, second.brier, second.log_loss, second.ece],
        atol=1e-12,
    )


def test_length_errors_are_medians():
    """
    Off by 10, 20 and 90 tokens, which are .1, .2 and .9 of 100; an answer of no tokens
    has no relative error, an unknown length no error at all.
    """
    foretold = np.array([110.0, 80.0, 190.0, 5.0])

    got = LengthError.of(foretold, np.array([100.0, 100.0, 100.0, np.nan]))
    empty = LengthError.of(np.array([5.0]), np.array([0.0]))

    assert (got.n, got.tokens, got.relative) == (3, 20.0, 0.2)
    assert empty.tokens == 5.0
    assert math.isnan(empty.relative)
