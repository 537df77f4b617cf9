"""Agreement of a judge with labels, with numbers that a person can check."""

import math

import numpy as np
import pytest

from scope.questions.judge_agreement import cohens_kappa, kappa_interval, length_correlation


@pytest.mark.parametrize(
    ("labels", "verdicts", "kappa"),
    [
        pytest.param([1, 0, 1, 0], [1, 0, 1, 0], 1.0, id="equal"),
        pytest.param([1, 0, 1, 0], [0, 1, 0, 1], -1.0, id="opposite"),
        pytest.param([1, 0, 1, 0], [1, 1, 1, 1], 0.0, id="always yes"),
        # 8 of 10 equal; by chance .6 * .6 + .4 * .4 = .52: (.8 - .52) / .48
        pytest.param([1] * 6 + [0] * 4, [1] * 5 + [0] + [1] + [0] * 3, 0.28 / 0.48, id="by hand"),
    ],
)
def test_kappa(labels, verdicts, kappa):
    assert cohens_kappa(np.array(labels), np.array(verdicts)) == pytest.approx(kappa)


@pytest.mark.parametrize("values", [[], [1, 1]], ids=["nothing", "one class"])
def test_kappa_is_unknown_without_two_classes(values):
    classes = np.array(values, dtype=np.int64)

    assert math.isnan(cohens_kappa(classes, classes))


def test_the_interval_holds_kappa_and_narrows_with_items():
    labels, verdicts = np.array([1, 1, 1, 0, 0, 0] * 5), np.array([1, 1, 0, 0, 0, 1] * 5)

    low, high = kappa_interval(labels, verdicts)
    few_low, few_high = kappa_interval(labels[:12], verdicts[:12])

    assert low < cohens_kappa(labels, verdicts) < high
    assert high - low < few_high - few_low
    assert (low, high) == kappa_interval(labels, verdicts)


def test_a_judge_that_likes_length_correlates_with_it():
    lengths = np.array([10.0, 20.0, 30.0, 40.0])

    assert length_correlation(lengths, np.array([-0.1, 0.0, 0.1, 0.2])) == pytest.approx(1.0)
    assert length_correlation(lengths, np.zeros(4)) is None
