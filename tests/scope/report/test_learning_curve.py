import numpy as np
import pytest

from scope.errors import EvaluationError
from scope.evaluation.test_set import EvaluationSet
from scope.report.evaluation import predict_test_set
from scope.report.learning_curve import PARTS, _fit_line, learning_curve
from tests.factories.banks import labelled_pair, with_correct


def curve_of(bank, questions, **options):
    test_set = EvaluationSet.from_banks(bank, questions)
    return learning_curve(bank, test_set, predict_test_set(bank, test_set), **options)


def constant(*values):
    """The same values in the sample and in every resample, for each of three sizes."""
    return [
        {name: np.full(5, value) for name in ("oracle_gap_closed", "difference_r2", "log_loss")}
        for value in values
    ]


def test_a_line_says_what_a_doubling_brings():
    """
    4, 5 and 6 % at 100, 200 and 400 anchors: 1 point each, so 7 % at 800.
    """
    got = _fit_line([100, 200, 400], constant(0.04, 0.05, 0.06))

    assert got.per_doubling["oracle_gap_closed"].value == pytest.approx(0.01)
    assert got.at_twice["oracle_gap_closed"].value == pytest.approx(0.07)


def test_a_bend_is_averaged():
    """
    0, 3 and 3 %: least squares has a slope of 1.5 through the mean of 2, so 5 % two steps on.
    """
    got = _fit_line([100, 200, 400], constant(0.0, 0.03, 0.03))

    assert got.per_doubling["log_loss"].value == pytest.approx(0.015)
    assert got.at_twice["log_loss"].value == pytest.approx(0.02 + 2 * 0.015)


def test_the_last_point_is_the_bank_itself():
    """
    An eighth, a quarter, half and all of 160 anchors; one call of advance for each.
    """
    calls = []

    got = curve_of(*labelled_pair(160, 40), advance=lambda: calls.append(1))

    assert [point.n_anchors for point in got.points] == [20, 40, 80, 160]
    assert len(calls) == len(PARTS)
    assert got.to_json()["points"][3]["n_anchors"] == 160
    assert [row[0].text for row in got.to_table().rows[-2:]] == ["per doubling", "320, by the line"]


def test_parts_are_drawn_by_id_and_not_by_place():
    """
    The same anchors in reversed order give the same curve.
    """
    bank, questions = labelled_pair(160, 40)

    reversed_bank = bank.select_anchors(np.arange(160)[::-1])

    assert curve_of(reversed_bank, questions).to_json() == curve_of(bank, questions).to_json()


def test_a_bank_too_small_for_an_eighth_is_refused():
    """
    80 anchors have an eighth of 10.
    """
    with pytest.raises(EvaluationError, match="an eighth of the anchors, 10; at least 20"):
        curve_of(*labelled_pair(80, 40))


def test_a_model_without_outcomes_on_a_part_is_named():
    """
    The large model was measured on three of 160 anchors alone.
    """
    bank, questions = labelled_pair(160, 40)
    correct = bank.outcomes.correct_am.copy()
    correct[3:, 1] = np.nan

    with pytest.raises(EvaluationError, match="model 'large' has no outcome on 20 of the anchors"):
        curve_of(with_correct(bank, correct), questions)
