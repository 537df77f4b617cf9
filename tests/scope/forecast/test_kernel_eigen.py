import numpy as np
import pytest

from scope.forecast.kernel import Kernel
from scope.forecast.kernel_eigen import NOISE_GRID, KernelEigen

N = 60
NOISE = 3.0


@pytest.fixture
def kernel_aa():
    """The kernel of sixty anchors on a circle, with one feature each."""
    angle_a = np.linspace(0, 2 * np.pi, N, endpoint=False)
    embedding_ad = np.column_stack([np.cos(angle_a), np.sin(angle_a)]).astype(np.float32)
    feature_ai = 0.1 * (np.arange(N)[:, None] % 7).astype(np.float32)
    return Kernel(embedding_ad, feature_ai).gram_matrix(embedding_ad, feature_ai)


@pytest.fixture
def outcome_az():
    return np.random.default_rng(0).standard_normal((N, 2)).astype(np.float32)


def decompose(kernel_aa, inducing_b):
    return KernelEigen.from_similarity(kernel_aa[:, inducing_b].copy(), inducing_b)


ALL = np.arange(N)
SOME = np.arange(0, N, 3)


@pytest.mark.parametrize("inducing_b", [pytest.param(ALL, id="all"), pytest.param(SOME, id="some")])
def test_weights_predict_as_the_equations_say(kernel_aa, outcome_az, inducing_b):
    """
    ``K_bb^-1 K_ba (K_ab K_bb^-1 K_ba + noise)^-1 y``; with all anchors ``(K + noise)^-1 y``.
    """
    k_ab = kernel_aa[:, inducing_b].astype(float)
    k_bb = k_ab[inducing_b] + 1e-3 * np.eye(len(inducing_b)) * (len(inducing_b) < N)
    approximate_aa = k_ab @ np.linalg.solve(k_bb, k_ab.T)
    by_hand = k_ab @ np.linalg.solve(
        k_bb, k_ab.T @ np.linalg.solve(approximate_aa + NOISE * np.eye(N), outcome_az)
    )

    weight_bz = decompose(kernel_aa, inducing_b).weights(outcome_az, np.full(2, NOISE))

    assert weight_bz.shape == (len(inducing_b), 2)
    np.testing.assert_allclose(k_ab @ weight_bz, by_hand, atol=2e-4)


@pytest.mark.parametrize("inducing_b", [pytest.param(ALL, id="all"), pytest.param(SOME, id="some")])
def test_leave_one_out_equals_a_fit_without_the_anchor(kernel_aa, outcome_az, inducing_b):
    """
    The closed form of an anchor equals the equations on the other 59.
    """
    k_ab = kernel_aa[:, inducing_b].astype(float)
    k_bb = k_ab[inducing_b] + 1e-3 * np.eye(len(inducing_b)) * (len(inducing_b) < N)
    k_aa = k_ab @ np.linalg.solve(k_bb, k_ab.T)
    others = np.arange(N) != 17
    rest_aa = k_aa[np.ix_(others, others)] + NOISE * np.eye(N - 1)
    by_hand = k_aa[17, others] @ np.linalg.solve(rest_aa, outcome_az[others])

    loo_gaz = decompose(kernel_aa, inducing_b).loo_predictions(outcome_az)

    np.testing.assert_allclose(loo_gaz[NOISE_GRID.index(NOISE), 17], by_hand, atol=2e-4)


def test_equal_inducing_points_can_be_inverted(outcome_az):
    """
    Sixty anchors at one place: every weight is finite, and together they predict the mean.
    """
    same_aa = np.ones((N, N), dtype=np.float32)

    weight_bz = decompose(same_aa, SOME).weights(outcome_az, np.full(2, 0.3))

    np.testing.assert_allclose(weight_bz.sum(axis=0), outcome_az.mean(axis=0), rtol=0.02)


def test_blocks_of_rows_change_nothing(monkeypatch, kernel_aa, outcome_az):
    """
    Seven rows a block, the last of four.
    """
    whole = decompose(kernel_aa, SOME).loo_predictions(outcome_az)
    monkeypatch.setattr("scope.forecast.kernel.BLOCK_ANCHORS", 7)

    by_blocks = decompose(kernel_aa, SOME).loo_predictions(outcome_az)

    np.testing.assert_allclose(by_blocks, whole, atol=1e-4)
