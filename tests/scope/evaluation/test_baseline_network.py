import numpy as np
import pytest
from scipy.optimize import check_grad

from scope.evaluation.baseline_inputs import TrainingSet
from scope.evaluation.baseline_network import (
    MATRIX_FACTORISATION,
    MLP,
    Architecture,
    Network,
    NetworkBaseline,
)

RNG = np.random.default_rng(0)
EVEN = np.arange(200) % 2 == 0


def lesson(n=200, holes=0.0):
    """Two models: the first is right where the first input is positive, the second at random."""
    rng = np.random.default_rng(1)
    design = rng.standard_normal((n, 3))
    correct = np.column_stack([design[:, 0] > 0, rng.random(n) < 0.7]).astype(float)
    correct[rng.random(correct.shape) < holes] = np.nan
    return TrainingSet(design, correct)


@pytest.mark.parametrize("shape", [MLP, MATRIX_FACTORISATION], ids=["bent", "straight"])
def test_the_gradient_is_that_of_the_loss(shape):
    """
    Against finite differences, with a third of the cells unknown.
    """
    network = Network(
        lesson(30, holes=0.3), Architecture(2, nonlinear=shape.nonlinear), 1e-2, seed=0
    )
    weights = RNG.standard_normal(4 * 2 + 3 * 2)

    error = check_grad(lambda w: network.loss(w)[0], lambda w: network.loss(w)[1], weights)

    assert error < 1e-6


@pytest.mark.parametrize("shape", [MLP, MATRIX_FACTORISATION], ids=["MLP", "factors"])
def test_networks_learn_what_is_there_to_learn(shape):
    """
    The first model's answers follow the input; the second's only a mean of .7.
    """
    fit = NetworkBaseline(lesson(holes=0.2), EVEN, shape, seed=0)

    p = fit.predict(np.array([[2.0, 0, 0], [-2.0, 0, 0]]))

    assert p[0, 0] > 0.9
    assert p[1, 0] < 0.1
    np.testing.assert_allclose(p[:, 1], 0.7, atol=0.2)


def test_unknown_cells_teach_nothing():
    """
    Whatever stands behind a hole, the fit is the same as without its row for that model.
    """
    known = lesson()
    one_model = TrainingSet(known.design_af[EVEN], known.correct_am[EVEN, :1])
    holes = TrainingSet(known.design_af, np.where(EVEN[:, None], known.correct_am, np.nan)[:, :1])

    first, second = (
        Network(some, MLP, 1e-2, seed=0).predict(known.design_af) for some in (one_model, holes)
    )

    np.testing.assert_allclose(first, second, atol=1e-4)


def test_the_same_seed_fits_the_same():
    """
    To the last bit.
    """
    first, second = (
        Network(lesson(), MLP, 1e-3, seed=3).predict(np.ones((1, 3))) for _ in range(2)
    )

    np.testing.assert_array_equal(first, second)
