from dataclasses import replace

import numpy as np
import pytest

from scope import AlphaScale
from scope.routing.frontier import AlphaSweep, mix_accuracy, mix_hull
from scope.routing.metrics import GroundTruth, RoutingScore
from tests.factories.banks import bill_ratio_of, predictions_of
from tests.factories.partitions import rows_of


def single(accuracy, usd_per_1k):
    return RoutingScore(accuracy, 0.0, usd_per_1k, 1000)


ALPHAS = [0.0, 0.3, 0.5, 0.9, 1.0]
SINGLES = [single(0.5, 1), single(0.6, 3), single(0.9, 5), single(0.4, 2), single(0.8, 9)]


def sweep_points(predictions, scale, alphas, truth=None):
    """The points of all questions at once."""
    sweep = AlphaSweep(scale, alphas)
    sweep.add(predictions, truth)
    return sweep.points()


def test_random_mixtures_reach_the_hull_of_the_single_models():
    """
    Half the questions to the $1 model, half to the $5 model: .7 for $3, better than the $3 model.
    """
    usd, accuracy = mix_hull(SINGLES)

    assert usd.tolist() == [1, 5]
    assert accuracy.tolist() == [0.5, 0.9]
    assert mix_accuracy(SINGLES, 3) == pytest.approx(0.7)


def test_mixtures_are_limited_by_the_cheapest_and_the_best_model():
    """
    NaN below the first corner; constant beyond the last.
    """
    assert np.isnan(mix_accuracy(SINGLES, 0.5))
    assert mix_accuracy(SINGLES, 100) == 0.9


def test_a_point_has_planned_and_realised_scores():
    """
    At alpha 1 both questions go to the second model: .85 expected, 1 of 2 correct.
    """
    predictions = predictions_of([[0.5, 0.9], [0.6, 0.8]], [[1.0, 2.0], [1.0, 2.0]])
    truth = GroundTruth(np.array([[0, 1], [1, 0]]), np.array([[1.0, 3.0], [1.0, 3.0]]))
    scale = AlphaScale.fit(predictions.estimates.p_correct_qm, predictions.estimates.cost_usd_qm)

    cheapest, best = sweep_points(predictions, scale, [0.0, 1.0], truth)

    assert (cheapest.planned.accuracy, cheapest.planned.cost_usd) == (0.55, 2.0)
    assert best.planned.accuracy == pytest.approx(0.85)
    assert (best.realised.accuracy, best.realised.cost_usd) == (0.5, 6.0)


def test_a_planned_cost_has_the_ratio_of_the_bills_at_its_alpha():
    """
    2 USD of forecasts at alpha 0, times 1; 4 at alpha 1, times 1.5. The real cost stays.
    """
    predictions = predictions_of([[0.5, 0.9], [0.6, 0.8]], [[1.0, 2.0], [1.0, 2.0]])
    truth = GroundTruth(np.array([[0, 1], [1, 0]]), np.array([[1.0, 3.0], [1.0, 3.0]]))
    scale = AlphaScale.fit(predictions.estimates.p_correct_qm, predictions.estimates.cost_usd_qm)
    scale = replace(scale, bill_ratio=bill_ratio_of(*np.linspace(1, 1.5, 11)))

    cheapest, best = sweep_points(predictions, scale, [0.0, 1.0], truth)

    assert (cheapest.bill_ratio, cheapest.planned.cost_usd) == (1.0, 2.0)
    assert (best.bill_ratio, best.planned.cost_usd) == (1.5, 6.0)
    assert best.realised.cost_usd == 6.0


def test_without_outcomes_nothing_is_realised():
    """
    The realised score is None.
    """
    predictions = predictions_of([[0.5, 0.9]], [[1.0, 2.0]])
    scale = AlphaScale.fit(predictions.estimates.p_correct_qm, predictions.estimates.cost_usd_qm)

    assert sweep_points(predictions, scale, [0.5])[0].realised is None


@pytest.mark.parametrize("n", [1, 7, 30])
def test_a_sweep_in_portions_gives_the_same_points(n):
    """
    Thirty questions, one, seven or all at a time; to the last bit.
    """
    rng = np.random.default_rng(0)
    predictions = predictions_of(rng.random((30, 4)), rng.random((30, 4)))
    truth = GroundTruth(rng.random((30, 4)).round(), rng.random((30, 4)))
    scale = AlphaScale.fit(predictions.estimates.p_correct_qm, predictions.estimates.cost_usd_qm)
    sweep = AlphaSweep(scale, ALPHAS)

    for start in range(0, 30, n):
        rows = slice(start, start + n)
        part = GroundTruth(truth.correct_qm[rows], truth.cost_usd_qm[rows])
        sweep.add(rows_of(predictions, rows), part)

    assert repr(sweep.points()) == repr(sweep_points(predictions, scale, ALPHAS, truth))
