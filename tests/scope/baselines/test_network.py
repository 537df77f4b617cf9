import numpy as np
import pytest
from scipy.optimize import check_grad

from scope.baselines.inputs import TrainingSet
from scope.baselines.network import (
    MATRIX_FACTORISATION,
    MLP,
    Architecture,
    Network,
    NetworkBaseline,
)

RNG = np.random.default_rng(0)
EVEN = np.arange(200) % 2 == 0


def training_set(n=200, holes=0.0):
    """Two models: the first is correct where the first input is positive, the second at random."""
    rng = np.random.default_rng(1)
    design = rng.standard_normal((n, 3))
    correct = np.column_stack([design[:, 0] > 0, rng.random(n) < 0.7]).astype(float)
    correct[rng.random(correct.shape) < holes] = np.nan
    return TrainingSet(design, correct)


@pytest.mark.parametrize("architecture", [MLP, MATRIX_FACTORISATION], ids=["nonlinear", "linear"])
def test_the_gradient_is_that_of_the_loss(architecture):
    """
    Against finite differences, with a third of the cells unknown.
    """
    network = Network(
        training_set(30, holes=0.3), Architecture(2, nonlinear=architecture.nonlinear), 1e-2, seed=0
    )
    weights = RNG.standard_normal(4 * 2 + 3 * 2)

    error = check_grad(lambda w: network.loss(w)[0], lambda w: network.loss(w)[1], weights)

    assert error < 1e-6


@pytest.mark.parametrize("architecture", [MLP, MATRIX_FACTORISATION], ids=["MLP", "factors"])
def test_networks_fit_the_pattern_in_the_data(architecture):
    """
    The outcomes of the first model depend on the input; those of the second have mean .7.
    """
    fit = NetworkBaseline(training_set(holes=0.2), EVEN, architecture, seed=0)

    p = fit.predict(np.array([[2.0, 0, 0], [-2.0, 0, 0]]))

    assert p[0, 0] > 0.9
    assert p[1, 0] < 0.1
    np.testing.assert_allclose(p[:, 1], 0.7, atol=0.2)


def test_unknown_cells_have_no_effect():
    """
    The fit equals the fit without the rows of the unknown cells.
    """
    known = training_set()
    one_model = TrainingSet(known.design_af[EVEN], known.correct_am[EVEN, :1])
    holes = TrainingSet(known.design_af, np.where(EVEN[:, None], known.correct_am, np.nan)[:, :1])

    first, second = (
        Network(training, MLP, 1e-2, seed=0).predict(known.design_af)
        for training in (one_model, holes)
    )

    np.testing.assert_allclose(first, second, atol=1e-4)


def test_the_same_seed_gives_the_same_fit():
    """
    Bit by bit.
    """
    first, second = (
        Network(training_set(), MLP, 1e-3, seed=3).predict(np.ones((1, 3))) for _ in range(2)
    )

    np.testing.assert_array_equal(first, second)
