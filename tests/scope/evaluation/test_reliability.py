import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.evaluation.bootstrap import bootstrap_weights
from scope.evaluation.reliability import ProbabilityMetrics, ProbabilityScores, log_loss
from tests.factories.forecasts import cells_of

CELLS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)
METRICS = ("auc", "log_loss", "ece")


def reliability_of(*cells):
    return ProbabilityMetrics.from_scores(ProbabilityScores.from_pairs(cells_of(*cells)))


def test_the_scores_by_hand():
    """
    .8 for a correct answer, .4 for a wrong one.
    """
    got = reliability_of([0.8, 0.4, np.nan], [1, 0, 1])

    assert got.n == 2
    assert got.log_loss.value == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    assert got.ece.value == pytest.approx((0.2 + 0.4) / 2)


def test_a_resample_is_scored_with_its_weights():
    """
    The first question has weight 3/4, the second 1/4.
    """
    got = ProbabilityScores.from_pairs(cells_of([0.8, 0.4], [1, 0], [[0.5, 0.5], [0.75, 0.25]]))

    np.testing.assert_allclose(got.log_loss_r[1], -(0.75 * math.log(0.8) + 0.25 * math.log(0.6)))


def test_log_loss_clips_forecasts_of_0_and_1():
    """
    Otherwise one correct answer with a forecast of 0 would make the mean infinite.
    """
    got = log_loss(np.array([0.0, 1.0]), np.array([1.0, 1.0]))

    assert got == pytest.approx(-(math.log(0.001) + math.log(0.999)) / 2)


def test_without_both_classes_the_auc_is_undefined_with_a_reason():
    """
    NaN and a note, not 1/2.
    """
    correct = reliability_of([0.5] * 3, [1] * 3)
    wrong = reliability_of([0.5] * 3, [0] * 3)

    assert math.isnan(correct.auc.value)
    assert correct.note == "no AUC: all 3 answers are correct"
    assert wrong.note == "no AUC: all 3 answers are wrong"


def test_no_known_cell_is_an_error():
    """
    There is no score of an empty set.
    """
    with pytest.raises(ValueError, match="no forecast has a known outcome"):
        reliability_of([0.5], [np.nan])


@given(CELLS, st.randoms(use_true_random=False))
def test_the_order_of_cells_has_no_effect(cells, random):
    """
    Equal forecasts share a bin.
    """
    shuffled = random.sample(cells, len(cells))
    first, second = (
        reliability_of([c[0] / 6 for c in order], [c[1] for c in order])
        for order in (cells, shuffled)
    )

    for metric in METRICS:
        values = getattr(first, metric).value, getattr(second, metric).value
        np.testing.assert_allclose(*values, atol=1e-12)


@given(CELLS)
def test_every_interval_includes_its_value(cells):
    """
    Or is undefined, as its value.
    """
    weights = bootstrap_weights(len(cells), seed=0, n_replicates=20)

    got = reliability_of([c[0] / 6 for c in cells], [c[1] for c in cells], weights)

    for interval in (getattr(got, metric) for metric in METRICS):
        assert interval.low <= interval.value <= interval.high or math.isnan(interval.low)
