import numpy as np
import pytest

from scope.evaluation.baseline_inputs import TrainingSet
from scope.evaluation.baseline_logistic import LogisticBaseline

N = 400
DESIGN = np.random.default_rng(0).standard_normal((N, 2))
RIGHT = (DESIGN[:, 0] + 0.5 * np.random.default_rng(1).standard_normal(N) > 0).astype(float)
ASIDE = np.arange(N) % 5 == 0


def fitted(*columns):
    return LogisticBaseline(TrainingSet(DESIGN, np.column_stack(columns)), ASIDE)


def test_it_learns_each_model_by_itself():
    """
    One model is right where the other is wrong.
    """
    p = fitted(RIGHT, 1 - RIGHT).predict(np.array([[3.0, 0.0]]))

    assert p[0, 0] > 0.6 > 0.4 > p[0, 1]


def test_unknown_outcomes_are_left_out():
    """
    NaN in one model's column leaves the other's regression as it was.
    """
    holes = np.where(np.arange(N) < N // 2, RIGHT, np.nan)

    whole, gappy = fitted(RIGHT, RIGHT), fitted(RIGHT, holes)

    np.testing.assert_allclose(whole.predict(DESIGN)[:, 0], gappy.predict(DESIGN)[:, 0], atol=1e-6)
    assert np.isfinite(gappy.predict(DESIGN)).all()


@pytest.mark.parametrize(
    ("correct", "expected"),
    [
        pytest.param(1.0, (N + 1) / (N + 2), id="always right"),
        pytest.param(0.0, 1 / (N + 2), id="always wrong"),
    ],
)
def test_one_kind_of_answer_gives_its_mean(correct, expected):
    """
    There is nothing to regress on; one more right and one more wrong answer keep it off 0 and 1.
    """
    p = fitted(RIGHT, np.full(N, correct)).predict(DESIGN)

    np.testing.assert_allclose(p[:, 1], expected)


def test_part_credit_counts_in_part():
    """
    A model that is always half right is forecast at a half.
    """
    p = fitted(RIGHT, np.full(N, 0.5)).predict(DESIGN)

    np.testing.assert_allclose(p[:, 1], 0.5, atol=1e-3)
