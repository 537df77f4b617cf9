"""Transfer from known models to a new one, on arrays without a bank."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.forecast.transfer import MIN_VARIANCE, TransferModel
from tests.factories.transfer import MEAN, pool, transfer_model

NOTHING = np.array([], dtype=np.int64)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    "mixed",
    [
        pytest.param({11: 1.0}, id="a copy of the last"),
        pytest.param({4: 1.0}, id="a copy of the fifth"),
        pytest.param({0: 0.5, 7: 0.5}, id="half the first, half the eighth"),
        pytest.param({0: -0.2, 5: 0.8, 9: 0.4}, id="a bit of three"),
    ],
)
def test_a_combination_of_known_models_is_recovered(mixed):
    """
    From all 2,000 anchors: its level, and its prediction on new questions.
    """
    predicted_nm, outcome_nm = pool()
    mix = np.array([mixed.get(m, 0.0) for m in range(12)])
    new_qm, _ = pool(seed=1)

    combination = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm).fit_model(
        np.arange(2000), outcome_nm @ mix
    )

    expected_q = MEAN @ mix + (new_qm - MEAN) @ mix
    got_q = combination.level + (new_qm - MEAN) @ combination.weight_m
    assert combination.level == pytest.approx(MEAN @ mix, abs=0.01)
    assert np.abs(got_q - expected_q).mean() < 0.02
    on_anchors_n = combination.level + (predicted_nm - MEAN) @ combination.weight_m
    np.testing.assert_allclose(combination.loo_n, on_anchors_n, atol=0.01)


def test_without_outcomes_a_new_model_is_the_average_model():
    """
    Level .55 is the mean of .3 to .8; the prediction is close to the mean prediction.
    """
    predicted_nm, outcome_nm = pool()

    combination = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm).fit_model(
        NOTHING, np.array([])
    )

    assert combination.level == pytest.approx(MEAN.mean(), abs=0.02)
    assert np.corrcoef(combination.loo_n, predicted_nm.mean(axis=1))[0, 1] > 0.99


def test_ten_random_outcomes_hardly_change_the_prediction():
    """
    Least squares without the prior would follow the noise.
    """
    predicted_nm, outcome_nm = pool(noise=0.4)
    transfer = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm)
    measured, flips = np.arange(10), np.array([1.0, 0, 0, 1, 0, 1, 1, 0, 1, 0])

    combination = transfer.fit_model(measured, flips)

    least_squares = (
        transfer.design_nx[:, :5] @ np.linalg.lstsq(transfer.design_nx[measured, :5], flips)[0]
    )
    average_n = predicted_nm.mean(axis=1)
    assert np.corrcoef(combination.loo_n, average_n)[0, 1] > 0.9
    assert np.corrcoef(least_squares, average_n)[0, 1] < 0.5


LEVELS = np.array([0.4, 0.5, 0.6, 0.7, 0.8])


def correlated_pool(n=400, *, seed=0):
    """Five models that are correct where one common random number is below their prediction.

    The predictions hardly vary between anchors, so they do not predict that number.
    """
    rng = np.random.default_rng(seed)
    common_n = rng.random(n)
    predicted_nm = LEVELS + 0.02 * rng.standard_normal((n, 1))
    return common_n, TransferModel.fit_prior(
        LEVELS, predicted_nm, (common_n[:, None] < predicted_nm).astype(float)
    )


def test_a_difficult_sample_is_not_a_weak_model():
    """
    Correct on 4 of 20 that most known models failed as well: nearer to .6 than to .2.
    """
    common_n, transfer = correlated_pool()
    right_n = common_n < 0.6
    hard = np.r_[np.flatnonzero(~right_n)[:16], np.flatnonzero(right_n)[:4]]

    combination = transfer.fit_model(hard, right_n[hard].astype(float))

    assert right_n[hard].mean() == 0.2
    assert combination.level > 0.4


def test_a_weak_model_on_an_easy_sample_has_a_low_level():
    """
    Correct on 4 of 20 that most known models solved.
    """
    common_n, transfer = correlated_pool()
    easy = np.r_[np.flatnonzero(common_n < 0.4)[:16], np.flatnonzero(common_n > 0.8)[:4]]

    combination = transfer.fit_model(easy, np.r_[np.zeros(16), np.ones(4)])

    assert combination.level < 0.3


@settings(max_examples=25)
@given(seed=SEEDS, n_measured=st.integers(1, 30))
def test_leave_one_out_equals_a_fit_without_the_anchor(seed, n_measured):
    """
    The closed form of a measured anchor equals a second fit on the others.
    """
    transfer, rng = transfer_model(seed), np.random.default_rng(seed)
    measured = rng.choice(60, n_measured, replace=False)
    outcome_j = rng.integers(0, 2, n_measured).astype(float)
    index = int(rng.integers(n_measured))
    rest = np.arange(n_measured) != index

    combination = transfer.fit_model(measured, outcome_j)

    without = transfer.fit_model(measured[rest], outcome_j[rest])
    anchor = measured[index]
    assert combination.loo_n[anchor] == pytest.approx(without.loo_n[anchor], abs=1e-9)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_an_outcome_does_not_change_the_prediction_of_its_own_anchor(seed):
    """
    One flipped outcome changes other predictions, but not that one.
    """
    transfer, rng = transfer_model(seed), np.random.default_rng(seed)
    measured = rng.choice(60, 15, replace=False)
    outcome_j = rng.integers(0, 2, 15).astype(float)
    flipped_j = outcome_j.copy()
    flipped_j[7] = 1 - flipped_j[7]

    before_n, after_n = (
        transfer.fit_model(measured, given).loo_n for given in (outcome_j, flipped_j)
    )

    assert after_n[measured[7]] == pytest.approx(before_n[measured[7]], abs=1e-9)
    assert np.abs(after_n - before_n).max() > 1e-4


@settings(max_examples=25)
@given(seed=SEEDS)
def test_the_order_of_the_known_models_changes_only_the_order_of_weights(seed):
    """
    The weights follow the order; the predictions stay.
    """
    predicted_nm, outcome_nm = pool(60, seed=seed)
    order, measured = np.arange(12)[::-1], np.arange(20)
    outcome_j = outcome_nm[measured, 3]

    combination = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm).fit_model(
        measured, outcome_j
    )
    reordered = TransferModel.fit_prior(
        MEAN[order], predicted_nm[:, order], outcome_nm[:, order]
    ).fit_model(measured, outcome_j)

    np.testing.assert_allclose(reordered.weight_m, combination.weight_m[order], atol=1e-6)
    np.testing.assert_allclose(reordered.loo_n, combination.loo_n, atol=1e-6)


def test_an_unknown_outcome_has_residual_0():
    """
    As if the outcome were equal to the prediction.
    """
    predicted_nm, outcome_nm = pool(60)
    holes_nm, filled_nm = outcome_nm.copy(), outcome_nm.copy()
    holes_nm[:30, 1], filled_nm[:30, 1] = np.nan, predicted_nm[:30, 1]

    with_holes, filled = (
        TransferModel.fit_prior(MEAN, predicted_nm, given_nm) for given_nm in (holes_nm, filled_nm)
    )

    np.testing.assert_array_equal(with_holes.design_nx, filled.design_nx)


def test_a_single_known_model_is_its_own_prior():
    """
    A copy of the only known model is recovered.
    """
    predicted_nm, outcome_nm = pool()

    transfer = TransferModel.fit_prior(MEAN[:1], predicted_nm[:, :1], outcome_nm[:, :1])
    combination = transfer.fit_model(np.arange(2000), outcome_nm[:, 0])

    np.testing.assert_allclose(combination.weight_m, [1], atol=0.02)
    assert combination.level == pytest.approx(0.3, abs=0.01)


def test_rounding_differences_are_not_a_direction():
    """
    For twelve predictions that differ by a thousandth, no weight of a copy exceeds 1.
    """
    predicted_nm, outcome_nm = pool()
    rounding_nm = 1e-3 * np.random.default_rng(1).standard_normal(predicted_nm.shape)
    alike_nm = predicted_nm[:, [0]] + rounding_nm

    transfer = TransferModel.fit_prior(MEAN, alike_nm, outcome_nm)
    combination = transfer.fit_model(np.arange(2000), outcome_nm[:, 0])

    assert transfer.direction_mz.shape == (12, 1)
    assert np.abs(combination.weight_m).max() < 1


@pytest.mark.parametrize(
    ("n_known", "n_factors"),
    [pytest.param(m, f, id=f"{m} models") for m, f in [(1, 1), (2, 1), (5, 1), (6, 2), (12, 4)]],
)
def test_few_models_have_few_factors(n_known, n_factors):
    """
    One for three models each, at most four.
    """
    predicted_nm, outcome_nm = pool()

    transfer = TransferModel.fit_prior(
        MEAN[:n_known], predicted_nm[:, :n_known], outcome_nm[:, :n_known]
    )

    assert transfer.direction_mz.shape == (n_known, n_factors)
    assert transfer.design_nx.shape == (2000, 1 + 2 * n_factors)


def test_independent_noise_stays_noise():
    """
    Independent noise of variance .16 is not explained by the other models.
    """
    predicted_nm, outcome_nm = pool(noise=0.4)

    transfer = TransferModel.fit_prior(MEAN[:3], predicted_nm[:, :3], outcome_nm[:, :3])

    assert transfer.noise == pytest.approx(0.16, rel=0.1)


def test_a_constant_prediction_is_not_a_factor():
    """
    With equal predictions of all anchors, but for rounding, a new model has weights of 0.
    """
    rounding_nm = 1e-3 * np.random.default_rng(1).standard_normal((100, 3))
    predicted_nm = MEAN[:3] - 0.002 + rounding_nm
    outcome_nm = (np.arange(100)[:, None] % 10 < [3, 4, 5]).astype(float)

    combination = TransferModel.fit_prior(MEAN[:3], predicted_nm, outcome_nm).fit_model(
        np.arange(100), outcome_nm[:, 2]
    )

    assert np.abs(combination.weight_m).max() < 1e-9
    assert combination.level == pytest.approx(0.5, abs=0.1)


def test_the_prior_of_the_level_is_widest():
    """
    With one known model: variance 1 of the factor coefficients, 2.5 of the level.
    """
    predicted_nm, outcome_nm = pool()

    transfer = TransferModel.fit_prior(MEAN[:1], predicted_nm[:, :1], outcome_nm[:, :1])

    np.testing.assert_allclose(transfer.covariance_xx, np.diag([2.5, 1, 1]), atol=1e-4)


def test_perfect_models_leave_the_minimum_noise():
    """
    A new model with 8 of 10 correct gets about .8.
    """
    always_nm = np.ones((40, 2))
    transfer = TransferModel.fit_prior(np.ones(2), always_nm, always_nm)

    combination = transfer.fit_model(np.arange(10), np.r_[np.ones(8), np.zeros(2)])

    assert transfer.noise == MIN_VARIANCE
    assert 0.75 < combination.level < 0.95
    assert np.isfinite(combination.loo_n).all()
