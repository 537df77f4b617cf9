from dataclasses import replace

import numpy as np
import pytest

from scope import AnchorPredictor
from scope.errors import BankError
from scope.outcomes import Outcomes
from scope.predictions import MIN_P
from scope.predictor import fit
from scope.predictor.fit import fit_forecaster
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import (
    LARGE,
    MIDDLE,
    SMALL,
    bank_of,
    rows_of,
    two_kinds,
    unit,
    with_correct,
)

# Numpy warns of a division by zero or the mean of an empty array.
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("one_thread")]


def forecast_of(bank, embedding_qd=None, features_qf=None):
    """Forecast of questions, by default of the anchors as new questions."""
    embedding_qd = bank.embedding_ad if embedding_qd is None else embedding_qd
    features_qf = bank.features_af if features_qf is None else features_qf
    return fit_forecaster(bank).predict(embedding_qd, features_qf, np.full(len(embedding_qd), -1))


def twins(n_pairs=100):
    """Questions in pairs of equal embedding, features and outcome; the pairs differ."""
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random((n_pairs, 1)) < 0.5, 2, axis=1)
    embedding = unit(rng.standard_normal((n_pairs, 32)))
    bank = bank_of(np.repeat(right, 2, axis=0), embedding=np.repeat(embedding, 2, axis=0))
    return replace(bank, features_af=np.zeros_like(bank.features_af))


def test_an_anchor_is_left_out_of_its_own_forecast():
    """
    If its outcomes are flipped, the forecast of its twin changes; its own stays, except for
    its share of 1/200 in the models' means.
    """
    bank = twins()
    flipped_am = bank.outcomes.correct_am.copy()
    flipped_am[0] = 1 - flipped_am[0]

    before_nm = fit_forecaster(bank).loo_p_nm
    after_nm = fit_forecaster(with_correct(bank, flipped_am)).loo_p_nm

    assert np.abs(after_nm - before_nm)[0].max() < 0.02
    assert np.abs(after_nm - before_nm)[1].min() > 0.3


def test_leave_one_out_is_close_to_a_fit_without_the_anchor():
    """
    Within .03 of a forecaster of the other 119: the closed form keeps the anchor in the
    models' means, the scale of features and the choice of noise, and predicts its category
    from four fifths of the others.
    """
    bank = two_kinds(120)
    whole = fit_forecaster(bank)

    for anchor in range(0, 120, 30):
        others = np.arange(120) != anchor
        without = fit_forecaster(rows_of(bank, others))
        forecast = without.predict(
            bank.embedding_ad[[anchor]], bank.features_af[[anchor]], np.array([-1])
        )

        np.testing.assert_allclose(whole.loo_p_nm[[anchor]], forecast.p_correct_qm, atol=0.03)


def test_the_forecast_of_an_anchor_beats_the_means():
    """
    The leave-one-out loss is well below that of each model's mean.
    """
    bank = two_kinds(120)
    correct_am = bank.outcomes.correct_am

    loo_nm = fit_forecaster(bank).loo_p_nm

    def loss_m(p):
        return np.square(p - correct_am).mean(axis=0)

    assert loss_m(loo_nm)[0] < 0.6 * loss_m(correct_am.mean(axis=0))[0]


def test_the_common_level_is_rescaled_to_least_squares():
    """
    The residual does not correlate with the common level; otherwise another factor would
    have a lower error.
    """
    bank = two_kinds(200, models=(SMALL, MIDDLE, LARGE))
    correct_am = np.repeat(bank.outcomes.correct_am[:, :1], 3, axis=1)
    correct_am[::5] = 1 - correct_am[::5]
    correct_am[::7, 1] = 1 - correct_am[::7, 1]

    forecaster = fit_forecaster(with_correct(bank, correct_am))

    p_nm = forecaster.loo_p_nm
    assert ((p_nm > MIN_P + 0.001) & (p_nm < 1 - MIN_P - 0.001)).all()
    level_n = (p_nm - forecaster.correct.mean_m).mean(axis=1)
    slope = level_n @ (correct_am - p_nm).mean(axis=1) / (level_n @ level_n)
    np.testing.assert_allclose(slope, 0, atol=0.005)


@pytest.mark.parametrize(
    ("predicted", "outcome", "expected"),
    [
        pytest.param([[0.2, 0.2]], [[0.4, 0.4]], [[0.4, 0.4]], id="half the level: doubled"),
        pytest.param([[0.3, 0.1]], [[0.5, 0.3]], [[0.5, 0.3]], id="the difference is kept"),
        pytest.param([[0.2, 0.2]], [[0.1, 0.1]], [[0.2, 0.2]], id="never shrunk"),
        pytest.param([[0.1, -0.1]], [[0.2, -0.2]], [[0.1, -0.1]], id="no common level"),
        pytest.param([[0.2, 0.2]], [[0.4, np.nan]], [[0.4, 0.4]], id="unknown has no weight"),
        pytest.param([[0.0, 0.0]], [[0.4, 0.4]], [[0.0, 0.0]], id="no prediction"),
    ],
)
def test_rescale_common_component(predicted, outcome, expected):
    """
    One question, two models: deviations from the models' means.
    """
    predicted, outcome = np.array(predicted), np.array(outcome)

    got = predicted @ fit._rescale_common_component(predicted, outcome)

    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_expected_tokens_sum_to_the_measured_tokens():
    """
    For each model, over the leave-one-out predictions of its anchors.
    """
    bank = two_kinds(120)
    tokens_am = bank.outcomes.completion_tokens_am
    tokens_am[::5, 0] = np.nan
    forecaster = fit_forecaster(bank)

    forecast = forecaster.predict(bank.embedding_ad, bank.features_af, np.arange(120))

    known_am = ~np.isnan(tokens_am)
    expected_m = np.where(known_am, forecast.tokens_uqm[0], 0).sum(axis=0)
    np.testing.assert_allclose(expected_m, np.nansum(tokens_am, axis=0), rtol=1e-9)


def test_eight_in_ten_lengths_lie_between_their_quantiles():
    """
    Between the 10th and the 90th percentile.
    """
    bank = two_kinds(120)

    forecast = fit_forecaster(bank).predict(bank.embedding_ad, bank.features_af, np.arange(120))

    low_am, high_am = forecast.tokens_uqm[1:]
    tokens_am = bank.outcomes.completion_tokens_am
    inside_m = ((low_am <= tokens_am) & (tokens_am <= high_am)).mean(axis=0)
    np.testing.assert_allclose(inside_m, 0.8, atol=0.02)


@pytest.mark.parametrize(
    ("right", "p"), [pytest.param(1.0, 1 - MIN_P, id="always right"), (0.0, MIN_P)]
)
def test_constant_outcomes_are_predicted_within_the_limits(right, p):
    """
    Probabilities are clipped to [.01, .99].
    """
    got = forecast_of(with_correct(two_kinds(), np.full((60, 2), right)))

    np.testing.assert_allclose(got.p_correct_qm, np.full((60, 2), p))


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_one_model_may_be_always_correct_or_always_wrong(right):
    """
    The other model is predicted as usual.
    """
    bank = two_kinds()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[:, 1] = right

    p_am = forecast_of(with_correct(bank, correct_am)).p_correct_qm

    assert ((p_am >= MIN_P) & (p_am <= 1 - MIN_P)).all()
    assert np.abs(p_am[:, 1] - right).max() < 0.25
    assert np.corrcoef(p_am[:, 0], correct_am[:, 0])[0, 1] > 0.5


def test_a_model_never_measured_stays_unknown():
    """
    NaN; the others are predicted as if it were not in the bank.
    """
    bank = two_kinds()
    unknown_am = bank.outcomes.correct_am.copy()
    unknown_am[:, 1] = np.nan

    got = forecast_of(with_correct(bank, unknown_am))

    alone = forecast_of(bank.select_models(("small",)))
    assert np.isnan(got.p_correct_qm[:, 1]).all()
    assert np.isnan(got.tokens_uqm[:, :, 1]).all()
    np.testing.assert_allclose(got.p_correct_qm[:, 0], alone.p_correct_qm[:, 0], rtol=1e-12)


def test_a_missing_outcome_is_neither_correct_nor_wrong():
    """
    Hiding a third of the outcomes changes the forecasts less than setting them to 0 or 1.
    """
    bank = two_kinds(120)
    hidden_am = np.random.default_rng(1).random((120, 2)) < 0.3
    correct_am = bank.outcomes.correct_am
    whole = forecast_of(bank).p_correct_qm

    def change(fill):
        filled = replace(bank.outcomes, correct_am=np.where(hidden_am, fill, correct_am))
        return np.abs(forecast_of(replace(bank, outcomes=filled)).p_correct_qm - whole).mean()

    assert change(np.nan) < 0.75 * min(change(0.0), change(1.0))


def test_one_outcome_is_enough_for_a_prediction():
    """
    It is close to the mean of all models.
    """
    bank = two_kinds()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[:, 1] = np.nan
    correct_am[3, 1] = 1

    p_am = forecast_of(with_correct(bank, correct_am)).p_correct_qm

    assert ((p_am >= MIN_P) & (p_am <= 1 - MIN_P)).all()


def without_tokens(bank, columns):
    values = bank.outcomes
    tokens_am = values.completion_tokens_am.copy()
    tokens_am[:, columns] = np.nan
    return replace(
        bank,
        outcomes=Outcomes(values.models, values.correct_am, values.prompt_tokens_am, tokens_am),
    )


def test_a_model_of_unknown_length_has_a_probability_and_no_cost():
    """
    Its tokens and cost are NaN.
    """
    bank = without_tokens(two_kinds(), [1])

    got, _ = AnchorPredictor(fit_bank(bank)).predict(bank.embedding_ad, bank.features_af)

    assert not np.isnan(got.p_correct_qm).any()
    assert np.isnan(got.completion_tokens_qm[:, 1]).all()
    assert np.isnan(got.cost_usd_qm[:, 1]).all()
    assert not np.isnan(got.cost_usd_qm[:, 0]).any()


def test_answers_of_no_token_are_predicted_as_0():
    """
    Zero is a valid length.
    """
    bank = two_kinds()
    bank.outcomes.completion_tokens_am[:] = 0

    assert (forecast_of(bank).tokens_uqm == 0).all()


@pytest.mark.parametrize(
    "categories",
    [
        pytest.param([""] * 60, id="no names"),
        pytest.param(["law"] * 60, id="a single one"),
        pytest.param([f"c{n}" for n in range(60)], id="all distinct"),
        pytest.param(["law"] * 20 + [""] * 40, id="some without a name"),
        pytest.param(["law"] * 25 + ["maths"] * 25 + ["chess"] * 10, id="a rare one"),
    ],
)
def test_any_categories_can_be_fitted(categories):
    """
    Categories are optional.
    """
    bank = replace(two_kinds(), categories=tuple(categories))

    forecaster = fit_forecaster(bank)

    np.testing.assert_allclose(forecaster.posterior_nc.sum(axis=1), 1, atol=0.005)
    p_nm = forecaster.loo_p_nm
    assert np.corrcoef(p_nm[:, 0], bank.outcomes.correct_am[:, 0])[0, 1] > 0.5


def test_identical_questions_get_the_means():
    """
    .6 of the answers are correct, and shrinkage toward the same mean changes nothing.
    """
    right = [[1.0]] * 36 + [[0.0]] * 24
    bank = bank_of(right, models=(SMALL,), embedding=unit([[1, 0, 0, 0]] * 60))
    bank = replace(bank, features_af=np.full_like(bank.features_af, 7.0))

    np.testing.assert_allclose(forecast_of(bank).p_correct_qm, 0.6, atol=0.01)


def test_a_new_value_of_a_constant_feature_is_in_distribution():
    """
    All anchors have four options; a question with five is in distribution.
    """
    bank = two_kinds()
    bank.features_af[:, 5] = 4
    five_af = bank.features_af.copy()
    five_af[:, 5] = 5

    got = forecast_of(bank, features_qf=five_af)

    assert got.in_distribution_q.min() > 0.9
    np.testing.assert_allclose(got.p_correct_qm, forecast_of(bank).p_correct_qm, atol=0.02)


def test_anchors_beyond_the_maximum_are_predicted_as_new_questions(monkeypatch):
    """
    Fifty of sixty are fitted, drawn by a hash.
    """
    monkeypatch.setattr(fit, "MAX_TRAINING_ANCHORS", 50)
    bank = two_kinds()

    forecaster = fit_forecaster(bank)

    rest = np.setdiff1d(np.arange(60), forecaster.anchor_index_n)
    embedding_qd, features_qf = bank.embedding_ad[rest], bank.features_af[rest]
    as_anchors = forecaster.predict(embedding_qd, features_qf, rest)
    as_new = forecaster.predict(embedding_qd, features_qf, np.full(10, -1))
    assert len(rest) == 10
    np.testing.assert_array_equal(as_anchors.p_correct_qm, as_new.p_correct_qm)
    of_all = forecaster.predict(bank.embedding_ad, bank.features_af, np.arange(60))
    fitted = of_all.p_correct_qm[forecaster.anchor_index_n]
    np.testing.assert_array_equal(fitted, forecaster.loo_p_nm.clip(MIN_P, 1 - MIN_P))


def test_fitting_is_deterministic():
    """
    Two fits give the same bits.
    """
    one, two = (fit_forecaster(two_kinds()) for _ in range(2))

    np.testing.assert_array_equal(one.correct.weight_bm, two.correct.weight_bm)
    np.testing.assert_array_equal(one.loo_log_length_nm, two.loo_log_length_nm)


def test_twenty_anchors_are_enough_and_nineteen_are_not():
    """
    The message names both numbers.
    """
    bank = two_kinds(20)

    assert not np.isnan(fit_forecaster(bank).loo_p_nm).any()
    with pytest.raises(BankError, match="19 anchors in the bank; at least 20 are needed"):
        fit_forecaster(rows_of(bank, slice(0, 19)))


@pytest.mark.parametrize(
    "bank",
    [
        pytest.param(with_correct(two_kinds(), np.full((60, 2), np.nan)), id="no outcome"),
        pytest.param(without_tokens(two_kinds(), [0, 1]), id="no length"),
    ],
)
def test_a_bank_without_outcomes_is_refused(bank):
    """
    The message names what is missing.
    """
    with pytest.raises(BankError, match="no model of the bank has outcomes and token counts"):
        fit_forecaster(bank)


def test_fit_bank_sets_reference_and_resets_the_version():
    """
    The reference population comes from the forecaster; the saved version no longer applies.
    """
    bank = replace(two_kinds(), version="abc")

    fitted = fit_bank(bank)

    assert fitted.anchor_config.use_forecaster
    assert fitted.version == ""
    np.testing.assert_array_equal(
        fitted.reference.p_correct_qm,
        fitted.forecaster.loo_p_nm.clip(MIN_P, 1 - MIN_P),
    )


def test_forty_inducing_points_of_all_outcomes_tell_more_than_forty_anchors(monkeypatch):
    """
    Forecasts of 300 questions, against those of a fit of 300 anchors of their distribution.
    """
    whole = two_kinds(600)
    bank, new = rows_of(whole, slice(0, 300)), rows_of(whole, slice(300, None))

    def predicted(forecaster):
        forecast = forecaster.predict(new.embedding_ad, new.features_af, np.full(300, -1))
        return forecast.p_correct_qm

    exact_qm = predicted(fit_forecaster(bank))
    monkeypatch.setattr(fit, "MAX_INDUCING_POINTS", 40)
    through = fit_forecaster(bank)
    alone = fit_forecaster(rows_of(bank, through.inducing_b))

    assert (len(through.anchor_index_n), len(through.inducing_b)) == (300, 40)
    assert through.correct.weight_bm.shape == (40, 2)
    error, error_alone = (np.abs(predicted(f) - exact_qm).mean() for f in (through, alone))
    assert error < 0.5 * error_alone


def test_every_outcome_counts_through_inducing_points(monkeypatch):
    """
    Flipping the outcomes of the anchors that are no inducing points turns the forecasts around.
    """
    monkeypatch.setattr(fit, "MAX_INDUCING_POINTS", 40)
    bank = two_kinds(300)
    others = np.setdiff1d(np.arange(300), fit_forecaster(bank).inducing_b)
    flipped_am = bank.outcomes.correct_am.copy()
    flipped_am[others] = 1 - flipped_am[others]

    before, after = (forecast_of(b).p_correct_qm for b in (bank, with_correct(bank, flipped_am)))

    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] < -0.8


def test_feedback_takes_at_most_half_of_the_places():
    """
    Thirty measured anchors and a hundred of one model, for forty places: twenty each. With ten
    of one model, thirty of the measured ones are enough for all.
    """
    many = bank_of([[1, 1]] * 30 + [[1, np.nan]] * 100)
    few = bank_of([[1, 1]] * 30 + [[1, np.nan]] * 10)

    chosen_n = fit._sample(many, np.arange(130), 40)

    assert ((chosen_n < 30).sum(), (chosen_n >= 30).sum()) == (20, 20)
    assert fit._sample(few, np.arange(40), 40).tolist() == list(range(40))
