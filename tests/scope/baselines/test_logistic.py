import numpy as np
import pytest

from scope.baselines.inputs import TrainingSet
from scope.baselines.logistic import LogisticBaseline

N = 400
DESIGN = np.random.default_rng(0).standard_normal((N, 2))
CORRECT = (DESIGN[:, 0] + 0.5 * np.random.default_rng(1).standard_normal(N) > 0).astype(float)
VALIDATION = np.arange(N) % 5 == 0


def fitted(*columns):
    return LogisticBaseline(TrainingSet(DESIGN, np.column_stack(columns)), VALIDATION)


def test_each_model_has_its_own_regression():
    """
    One model is correct where the other is wrong.
    """
    p = fitted(CORRECT, 1 - CORRECT).predict(np.array([[3.0, 0.0]]))

    assert p[0, 0] > 0.6 > 0.4 > p[0, 1]


def test_unknown_outcomes_are_left_out():
    """
    NaN in the column of one model does not change the regression of the other.
    """
    holes = np.where(np.arange(N) < N // 2, CORRECT, np.nan)

    complete, partial = fitted(CORRECT, CORRECT), fitted(CORRECT, holes)

    np.testing.assert_allclose(
        complete.predict(DESIGN)[:, 0], partial.predict(DESIGN)[:, 0], atol=1e-6
    )
    assert np.isfinite(partial.predict(DESIGN)).all()


@pytest.mark.parametrize(
    ("correct", "expected"),
    [
        pytest.param(1.0, (N + 1) / (N + 2), id="always correct"),
        pytest.param(0.0, 1 / (N + 2), id="always wrong"),
    ],
)
def test_without_both_classes_the_forecast_is_the_mean(correct, expected):
    """
    One correct and one wrong answer are added, so that it is neither 0 nor 1.
    """
    p = fitted(CORRECT, np.full(N, correct)).predict(DESIGN)

    np.testing.assert_allclose(p[:, 1], expected)


def test_partial_credit_counts_in_part():
    """
    A model that always has half of the credit is predicted at 1/2.
    """
    p = fitted(CORRECT, np.full(N, 0.5)).predict(DESIGN)

    np.testing.assert_allclose(p[:, 1], 0.5, atol=1e-3)
