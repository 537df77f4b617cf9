"""A new model placed among known ones, on arrays that need no bank."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope.forecast.transfer import MIN_VARIANCE, TransferModel
from tests.factories.transfer import MEAN, kinship_of, pool

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
def test_a_mix_of_known_models_is_recovered(mixed):
    """
    From all 2,000 anchors: its level, and on new questions what the mix of forecasts says.
    """
    predicted_nm, outcome_nm = pool()
    mix = np.array([mixed.get(m, 0.0) for m in range(12)])
    new_qm, _ = pool(seed=1)

    line = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm).fit_model(
        np.arange(2000), outcome_nm @ mix
    )

    self_index_q = MEAN @ mix + (new_qm - MEAN) @ mix
    got_q = line.level + (new_qm - MEAN) @ line.weight_m
    assert line.level == pytest.approx(MEAN @ mix, abs=0.01)
    assert np.abs(got_q - self_index_q).mean() < 0.02
    on_anchors_n = line.level + (predicted_nm - MEAN) @ line.weight_m
    np.testing.assert_allclose(line.loo_n, on_anchors_n, atol=0.01)


def test_before_any_outcome_a_newcomer_is_the_average_model():
    """
    Level .55 is the mean of .3 to .8; what is said is nearly what is said of all on average.
    """
    predicted_nm, outcome_nm = pool()

    line = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm).fit_model(NOTHING, np.array([]))

    assert line.level == pytest.approx(MEAN.mean(), abs=0.02)
    assert np.corrcoef(line.loo_n, predicted_nm.mean(axis=1))[0, 1] > 0.99


def test_ten_coin_flips_hardly_change_the_shape():
    """
    Which anchors are hard stays as known; least squares alone would follow the coin.
    """
    predicted_nm, outcome_nm = pool(luck=0.4)
    kinship = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm)
    asked, flips = np.arange(10), np.array([1.0, 0, 0, 1, 0, 1, 1, 0, 1, 0])

    line = kinship.fit_model(asked, flips)

    alone = kinship.design_nx[:, :5] @ np.linalg.lstsq(kinship.design_nx[asked, :5], flips)[0]
    average_n = predicted_nm.mean(axis=1)
    assert np.corrcoef(line.loo_n, average_n)[0, 1] > 0.9
    assert np.corrcoef(alone, average_n)[0, 1] < 0.5


LEVELS = np.array([0.4, 0.5, 0.6, 0.7, 0.8])


def lucky_pool(n=400, *, seed=0):
    """Five models that are right where the luck that all share is below what is said of them.

    Little tells lucky anchors from others beforehand: what is said is near each one's level.
    """
    rng = np.random.default_rng(seed)
    luck_n = rng.random(n)
    predicted_nm = LEVELS + 0.02 * rng.standard_normal((n, 1))
    return luck_n, TransferModel.fit_prior(
        LEVELS, predicted_nm, (luck_n[:, None] < predicted_nm).astype(float)
    )


def test_an_unlucky_draw_is_not_a_weak_model():
    """
    Right on 4 of 20 that the known models mostly failed, too: nearer to .6 than to .2.
    """
    luck_n, kinship = lucky_pool()
    right_n = luck_n < 0.6
    unlucky = np.r_[np.flatnonzero(~right_n)[:16], np.flatnonzero(right_n)[:4]]

    line = kinship.fit_model(unlucky, right_n[unlucky].astype(float))

    assert right_n[unlucky].mean() == 0.2
    assert line.level > 0.4


def test_a_weak_model_is_not_excused():
    """
    Right on the same 4 of 20, but where the known models were mostly right: a weak one.
    """
    luck_n, kinship = lucky_pool()
    lucky = np.r_[np.flatnonzero(luck_n < 0.4)[:16], np.flatnonzero(luck_n > 0.8)[:4]]

    line = kinship.fit_model(lucky, np.r_[np.zeros(16), np.ones(4)])

    assert line.level < 0.3


@settings(max_examples=25)
@given(seed=SEEDS, n_measured=st.integers(1, 30))
def test_leaving_an_anchor_out_is_fitting_without_it(seed, n_measured):
    """
    The closed form of each measured anchor is a second fit on the others.
    """
    kinship, rng = kinship_of(seed), np.random.default_rng(seed)
    measured = rng.choice(60, n_measured, replace=False)
    outcome_j = rng.integers(0, 2, n_measured).astype(float)
    place = int(rng.integers(n_measured))
    rest = np.arange(n_measured) != place

    line = kinship.fit_model(measured, outcome_j)

    without = kinship.fit_model(measured[rest], outcome_j[rest])
    anchor = measured[place]
    assert line.loo_n[anchor] == pytest.approx(without.loo_n[anchor], abs=1e-9)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_an_outcome_has_no_say_in_its_own_anchor(seed):
    """
    Flip one: nothing changes there, and something does elsewhere.
    """
    kinship, rng = kinship_of(seed), np.random.default_rng(seed)
    measured = rng.choice(60, 15, replace=False)
    outcome_j = rng.integers(0, 2, 15).astype(float)
    flipped_s = outcome_j.copy()
    flipped_s[7] = 1 - flipped_s[7]

    before_n, after_n = (
        kinship.fit_model(measured, given).loo_n for given in (outcome_j, flipped_s)
    )

    assert after_n[measured[7]] == pytest.approx(before_n[measured[7]], abs=1e-9)
    assert np.abs(after_n - before_n).max() > 1e-4


@settings(max_examples=25)
@given(seed=SEEDS)
def test_the_order_of_the_known_models_does_not_matter(seed):
    """
    The mix comes in their order, everything else as it was.
    """
    predicted_nm, outcome_nm = pool(60, seed=seed)
    order, measured = np.arange(12)[::-1], np.arange(20)
    outcome_j = outcome_nm[measured, 3]

    line = TransferModel.fit_prior(MEAN, predicted_nm, outcome_nm).fit_model(measured, outcome_j)
    turned = TransferModel.fit_prior(
        MEAN[order], predicted_nm[:, order], outcome_nm[:, order]
    ).fit_model(measured, outcome_j)

    np.testing.assert_allclose(turned.weight_m, line.weight_m[order], atol=1e-6)
    np.testing.assert_allclose(turned.loo_n, line.loo_n, atol=1e-6)


def test_an_unknown_outcome_is_no_surprise():
    """
    Of a model never run on an anchor, what was said of it counts as what came.
    """
    predicted_nm, outcome_nm = pool(60)
    holes_nm, filled_nm = outcome_nm.copy(), outcome_nm.copy()
    holes_nm[:30, 1], filled_nm[:30, 1] = np.nan, predicted_nm[:30, 1]

    with_holes, filled = (
        TransferModel.fit_prior(MEAN, predicted_nm, given_nm) for given_nm in (holes_nm, filled_nm)
    )

    np.testing.assert_array_equal(with_holes.design_nx, filled.design_nx)


def test_a_lone_model_is_its_own_kin():
    """
    A copy of the only known model is found all the same.
    """
    predicted_nm, outcome_nm = pool()

    kinship = TransferModel.fit_prior(MEAN[:1], predicted_nm[:, :1], outcome_nm[:, :1])
    line = kinship.fit_model(np.arange(2000), outcome_nm[:, 0])

    np.testing.assert_allclose(line.weight_m, [1], atol=0.02)
    assert line.level == pytest.approx(0.3, abs=0.01)


def test_known_models_that_differ_by_rounding_alone_are_no_direction():
    """
    Of twelve that are said to do the same but for a thousandth, no share of a copy is thousands.
    """
    predicted_nm, outcome_nm = pool()
    rounding_nm = 1e-3 * np.random.default_rng(1).standard_normal(predicted_nm.shape)
    alike_nm = predicted_nm[:, [0]] + rounding_nm

    kinship = TransferModel.fit_prior(MEAN, alike_nm, outcome_nm)
    line = kinship.fit_model(np.arange(2000), outcome_nm[:, 0])

    assert kinship.direction_mz.shape == (12, 1)
    assert np.abs(line.weight_m).max() < 1


@pytest.mark.parametrize(
    ("n_known", "n_factors"),
    [pytest.param(m, f, id=f"{m} models") for m, f in [(1, 1), (2, 1), (5, 1), (6, 2), (12, 4)]],
)
def test_few_models_have_few_factors(n_known, n_factors):
    """
    One for each three of them, four at most: coefficients are learned from the models.
    """
    predicted_nm, outcome_nm = pool()

    kinship = TransferModel.fit_prior(
        MEAN[:n_known], predicted_nm[:, :n_known], outcome_nm[:, :n_known]
    )

    assert kinship.direction_mz.shape == (n_known, n_factors)
    assert kinship.design_nx.shape == (2000, 1 + 2 * n_factors)


def test_what_a_model_did_does_not_explain_itself():
    """
    Luck of its own, variance .16, cannot be told from the others': it stays noise.
    """
    predicted_nm, outcome_nm = pool(luck=0.4)

    kinship = TransferModel.fit_prior(MEAN[:3], predicted_nm[:, :3], outcome_nm[:, :3])

    assert kinship.noise == pytest.approx(0.16, rel=0.1)


def test_a_forecast_that_never_varies_is_no_factor():
    """
    The same is said of all anchors, but for rounding: a newcomer is its level, and mixes nothing.
    """
    rounding_nm = 1e-3 * np.random.default_rng(1).standard_normal((100, 3))
    predicted_nm = MEAN[:3] - 0.002 + rounding_nm
    outcome_nm = (np.arange(100)[:, None] % 10 < [3, 4, 5]).astype(float)

    line = TransferModel.fit_prior(MEAN[:3], predicted_nm, outcome_nm).fit_model(
        np.arange(100), outcome_nm[:, 2]
    )

    assert np.abs(line.weight_m).max() < 1e-9
    assert line.level == pytest.approx(0.5, abs=0.1)


def test_the_level_is_the_least_known():
    """
    Beside one known model: variance 1 for what a newcomer shares with it, 2.5 for its level.
    """
    predicted_nm, outcome_nm = pool()

    kinship = TransferModel.fit_prior(MEAN[:1], predicted_nm[:, :1], outcome_nm[:, :1])

    np.testing.assert_allclose(kinship.covariance_xx, np.diag([2.5, 1, 1]), atol=1e-4)


def test_models_that_never_fail_leave_some_noise():
    """
    A newcomer that fails now and then is placed below them: 8 of 10 gives .8.
    """
    always_nm = np.ones((40, 2))
    kinship = TransferModel.fit_prior(np.ones(2), always_nm, always_nm)

    line = kinship.fit_model(np.arange(10), np.r_[np.ones(8), np.zeros(2)])

    assert kinship.noise == MIN_VARIANCE
    assert 0.75 < line.level < 0.95
    assert np.isfinite(line.loo_n).all()
