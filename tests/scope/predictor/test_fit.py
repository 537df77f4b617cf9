from dataclasses import replace

import numpy as np
import pytest

from scope import AnchorPredictor
from scope.errors import BankError
from scope.outcomes import Outcomes
from scope.predictions import MIN_P
from scope.predictor import fit as fitting
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

# Division by zero or the mean of nothing would show as a warning of numpy.
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("one_thread")]


def foretold(bank, embedding_qd=None, features_qf=None):
    """What is foretold of questions, by default of the anchors as if they were none."""
    embedding_qd = bank.embedding_ad if embedding_qd is None else embedding_qd
    features_qf = bank.features_af if features_qf is None else features_qf
    return fit_forecaster(bank).predict(embedding_qd, features_qf, np.full(len(embedding_qd), -1))


def twins(n_pairs=100):
    """Questions in pairs, the same in meaning, form and outcome; no two pairs are alike."""
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random((n_pairs, 1)) < 0.5, 2, axis=1)
    embedding = unit(rng.standard_normal((n_pairs, 32)))
    bank = bank_of(np.repeat(right, 2, axis=0), embedding=np.repeat(embedding, 2, axis=0))
    return replace(bank, features_af=np.zeros_like(bank.features_af))


def test_an_anchor_has_no_say_in_its_own_forecast():
    """
    Its outcomes turned round, its twin's forecast goes with them; its own stays, but
    for its 200th part in the models' means.
    """
    bank = twins()
    turned_am = bank.outcomes.correct_am.copy()
    turned_am[0] = 1 - turned_am[0]

    before_nm = fit_forecaster(bank).loo_p_nm
    after_nm = fit_forecaster(with_correct(bank, turned_am)).loo_p_nm

    assert np.abs(after_nm - before_nm)[0].max() < 0.02
    assert np.abs(after_nm - before_nm)[1].min() > 0.3


def test_leaving_an_anchor_out_is_learning_without_it():
    """
    What is said of an anchor is what a forecaster of the other 119 says of it, to .03: the
    closed form keeps the anchor's part in the models' means, in the scale of features and in
    the choice of noise, and guesses its category from four fifths of the others.
    """
    bank = two_kinds(120)
    whole = fit_forecaster(bank)

    for anchor in range(0, 120, 30):
        others = np.arange(120) != anchor
        without = fit_forecaster(rows_of(bank, others))
        said = without.predict(
            bank.embedding_ad[[anchor]], bank.features_af[[anchor]], np.array([-1])
        )

        np.testing.assert_allclose(whole.loo_p_nm[[anchor]], said.p_correct_qm, atol=0.03)


def test_the_forecast_of_an_anchor_beats_the_means():
    """
    Left out or not, what was learned is worth more than each model's mean.
    """
    bank = two_kinds(120)
    correct_am = bank.outcomes.correct_am

    left_out_nm = fit_forecaster(bank).loo_p_nm

    def loss_m(p):
        return np.square(p - correct_am).mean(axis=0)

    assert loss_m(left_out_nm)[0] < 0.6 * loss_m(correct_am.mean(axis=0))[0]


def test_the_common_level_is_stretched_to_least_squares():
    """
    What is missed leans neither with the level that the models share nor against it, for
    then another factor would have missed less.
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
    ("said", "came", "expected"),
    [
        pytest.param([[0.2, 0.2]], [[0.4, 0.4]], [[0.4, 0.4]], id="half the level: doubled"),
        pytest.param([[0.3, 0.1]], [[0.5, 0.3]], [[0.5, 0.3]], id="the difference is kept"),
        pytest.param([[0.2, 0.2]], [[0.1, 0.1]], [[0.2, 0.2]], id="never shrunk"),
        pytest.param([[0.1, -0.1]], [[0.2, -0.2]], [[0.1, -0.1]], id="no common level"),
        pytest.param([[0.2, 0.2]], [[0.4, np.nan]], [[0.4, 0.4]], id="unknown has no say"),
        pytest.param([[0.0, 0.0]], [[0.4, 0.4]], [[0.0, 0.0]], id="nothing said"),
    ],
)
def test_stretch(said, came, expected):
    """
    One question, two models: departures from the models' means.
    """
    said, came = np.array(said), np.array(came)

    got = said @ fitting._rescale_common_component(said, came)

    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_expected_tokens_average_what_was_counted():
    """
    Over the anchors, each left out, the tokens foretold of a model are as many as it took.
    """
    bank = two_kinds(120)
    tokens_am = bank.outcomes.completion_tokens_am
    tokens_am[::5, 0] = np.nan
    forecaster = fit_forecaster(bank)

    said = forecaster.predict(bank.embedding_ad, bank.features_af, np.arange(120))

    known_am = ~np.isnan(tokens_am)
    expected_m = np.where(known_am, said.tokens_sqm[0], 0).sum(axis=0)
    np.testing.assert_allclose(expected_m, np.nansum(tokens_am, axis=0), rtol=1e-9)


def test_eight_in_ten_lengths_lie_in_their_spread():
    """
    Between the 10th and the 90th percentile.
    """
    bank = two_kinds(120)

    said = fit_forecaster(bank).predict(bank.embedding_ad, bank.features_af, np.arange(120))

    low_am, high_am = said.tokens_sqm[1:]
    tokens_am = bank.outcomes.completion_tokens_am
    inside_m = ((low_am <= tokens_am) & (tokens_am <= high_am)).mean(axis=0)
    np.testing.assert_allclose(inside_m, 0.8, atol=0.02)


@pytest.mark.parametrize(
    ("right", "p"), [pytest.param(1.0, 1 - MIN_P, id="always right"), (0.0, MIN_P)]
)
def test_outcomes_that_are_all_the_same_leave_a_doubt(right, p):
    """
    Nothing varies, nothing is to learn; no forecast is surer than .99.
    """
    got = foretold(with_correct(two_kinds(), np.full((60, 2), right)))

    np.testing.assert_allclose(got.p_correct_qm, np.full((60, 2), p))


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_one_model_may_be_always_right_or_always_wrong(right):
    """
    The other is foretold beside it.
    """
    bank = two_kinds()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[:, 1] = right

    p_am = foretold(with_correct(bank, correct_am)).p_correct_qm

    assert ((p_am >= MIN_P) & (p_am <= 1 - MIN_P)).all()
    assert np.abs(p_am[:, 1] - right).max() < 0.25
    assert np.corrcoef(p_am[:, 0], correct_am[:, 0])[0, 1] > 0.5


def test_a_model_never_measured_stays_unknown():
    """
    Not 0, not the others' mean; they are foretold as if it were not in the bank.
    """
    bank = two_kinds()
    unknown_am = bank.outcomes.correct_am.copy()
    unknown_am[:, 1] = np.nan

    got = foretold(with_correct(bank, unknown_am))

    alone = foretold(bank.select_models(("small",)))
    assert np.isnan(got.p_correct_qm[:, 1]).all()
    assert np.isnan(got.tokens_sqm[:, :, 1]).all()
    np.testing.assert_allclose(got.p_correct_qm[:, 0], alone.p_correct_qm[:, 0], rtol=1e-12)


def test_a_missing_cell_is_neither_right_nor_wrong():
    """
    A third of the cells hidden moves the forecasts less than called right or called wrong.
    """
    bank = two_kinds(120)
    hidden_am = np.random.default_rng(1).random((120, 2)) < 0.3
    correct_am = bank.outcomes.correct_am
    whole = foretold(bank).p_correct_qm

    def moved(fill):
        filled = replace(bank.outcomes, correct_am=np.where(hidden_am, fill, correct_am))
        return np.abs(foretold(replace(bank, outcomes=filled)).p_correct_qm - whole).mean()

    assert moved(np.nan) < 0.75 * min(moved(0.0), moved(1.0))


def test_one_outcome_is_enough_to_be_foretold():
    """
    Near the mean of all models: it is believed as far as one outcome goes.
    """
    bank = two_kinds()
    correct_am = bank.outcomes.correct_am.copy()
    correct_am[:, 1] = np.nan
    correct_am[3, 1] = 1

    p_am = foretold(with_correct(bank, correct_am)).p_correct_qm

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
    What is unknown stays so; what is known is foretold.
    """
    bank = without_tokens(two_kinds(), [1])

    got, _ = AnchorPredictor(fit_bank(bank)).predict(bank.embedding_ad, bank.features_af)

    assert not np.isnan(got.p_correct_qm).any()
    assert np.isnan(got.completion_tokens_qm[:, 1]).all()
    assert np.isnan(got.cost_usd_qm[:, 1]).all()
    assert not np.isnan(got.cost_usd_qm[:, 0]).any()


def test_answers_of_no_token_are_foretold_as_such():
    """
    Zero is a length.
    """
    bank = two_kinds()
    bank.outcomes.completion_tokens_am[:] = 0

    assert (foretold(bank).tokens_sqm == 0).all()


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
def test_any_categories_can_be_learned_from(categories):
    """
    They help where they are told, and are not needed.
    """
    bank = replace(two_kinds(), categories=tuple(categories))

    forecaster = fit_forecaster(bank)

    np.testing.assert_allclose(forecaster.posterior_nc.sum(axis=1), 1, atol=0.005)
    p_nm = forecaster.loo_p_nm
    assert np.corrcoef(p_nm[:, 0], bank.outcomes.correct_am[:, 0])[0, 1] > 0.5


def test_questions_all_in_one_place_get_the_means():
    """
    Nothing tells them apart; .6 of the answers right is what is known, and ten
    pseudo-anchors at it change nothing.
    """
    right = [[1.0]] * 36 + [[0.0]] * 24
    bank = bank_of(right, models=(SMALL,), embedding=unit([[1, 0, 0, 0]] * 60))
    bank = replace(bank, features_af=np.full_like(bank.features_af, 7.0))

    np.testing.assert_allclose(foretold(bank).p_correct_qm, 0.6, atol=0.01)


def test_a_count_that_all_anchors_share_makes_no_stranger():
    """
    A bank of four options each; a question of five is as familiar as one of four.
    """
    bank = two_kinds()
    bank.features_af[:, 5] = 4
    five_af = bank.features_af.copy()
    five_af[:, 5] = 5

    got = foretold(bank, features_qf=five_af)

    assert got.in_distribution_q.min() > 0.9
    np.testing.assert_allclose(got.p_correct_qm, foretold(bank).p_correct_qm, atol=0.02)


def test_anchors_beyond_the_most_are_foretold_as_new_questions(monkeypatch):
    """
    Fifty of sixty are learned from, drawn by a hash; the others are questions like any.
    """
    monkeypatch.setattr(fitting, "MAX_TRAINING_ANCHORS", 50)
    bank = two_kinds()

    forecaster = fit_forecaster(bank)

    rest = np.setdiff1d(np.arange(60), forecaster.anchor_index_n)
    embedding_qd, features_qf = bank.embedding_ad[rest], bank.features_af[rest]
    as_anchors = forecaster.predict(embedding_qd, features_qf, rest)
    as_new = forecaster.predict(embedding_qd, features_qf, np.full(10, -1))
    assert len(rest) == 10
    np.testing.assert_array_equal(as_anchors.p_correct_qm, as_new.p_correct_qm)
    everyone = forecaster.predict(bank.embedding_ad, bank.features_af, np.arange(60))
    learned = everyone.p_correct_qm[forecaster.anchor_index_n]
    np.testing.assert_array_equal(learned, forecaster.loo_p_nm.clip(MIN_P, 1 - MIN_P))


def test_learning_twice_gives_the_same():
    """
    Nothing is drawn at random.
    """
    one, two = (fit_forecaster(two_kinds()) for _ in range(2))

    np.testing.assert_array_equal(one.correct.weight_nm, two.correct.weight_nm)
    np.testing.assert_array_equal(one.loo_log_length_nm, two.loo_log_length_nm)


def test_twenty_anchors_are_enough_and_nineteen_are_not():
    """
    The message says how many there are and how many are needed.
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
    The message says what is needed.
    """
    with pytest.raises(BankError, match="no model of the bank has outcomes and token counts"):
        fit_forecaster(bank)


def test_a_bank_learned_from_says_so():
    """
    Its dial is drawn from what was learned, and it is no longer the bank that was saved.
    """
    bank = replace(two_kinds(), version="abc")

    learned = fit_bank(bank)

    assert learned.anchor_config.use_forecaster
    assert learned.version == ""
    np.testing.assert_array_equal(
        learned.reference.p_correct_qm,
        learned.forecaster.loo_p_nm.clip(MIN_P, 1 - MIN_P),
    )
