from dataclasses import replace

import numpy as np
import pytest

from scope import AnchorPredictor, load_bank, save_bank
from scope.bank import CANDIDATES
from scope.bank.forecast_choice import ForecastChoice
from scope.errors import BankError
from scope.predictor.cross_validation import choose_forecast, out_of_fold, score_candidates
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import bank_of, two_kinds, unit, with_correct

pytestmark = pytest.mark.usefixtures("one_thread")


def noise_bank(n_anchors=60):
    """Outcomes that no question predicts: the models are right on 30 % and 70 %."""
    rng = np.random.default_rng(0)
    right = rng.random((n_anchors, 2)) < [0.3, 0.7]
    return bank_of(right, embedding=unit(rng.standard_normal((n_anchors, 8))))


def losses_to_p(loss_c):
    """Probabilities of a right answer that cost these losses, for 100 anchors of one model.

    Every second anchor costs 0.1 more and every other 0.1 less, the first 50 in opposite phase to
    the process, so that differences to it have a spread.
    """
    sign_n = np.where(np.arange(100) % 2, 0.1, -0.1)
    loss_cn = np.array(loss_c)[:, None] + np.stack([sign_n, sign_n, -sign_n, -sign_n])
    return np.exp(-loss_cn)[:, :, None]


@pytest.mark.parametrize(
    ("losses", "chosen"),
    [
        # Of differences between phases the standard error is 0.02, within a phase it is 0.
        pytest.param((0.6, 0.7, 0.57, 0.58), "neighbours", id="a gain of 1.5 errors"),
        pytest.param((0.6, 0.7, 0.55, 0.56), "blend", id="a gain of 2.5 errors"),
        pytest.param((0.6, 0.59, 0.7, 0.7), "means", id="means"),
        pytest.param((0.6, 0.7, 0.55, 0.54), "process", id="process after blend"),
        pytest.param((0.6, 0.7, 0.57, 0.55), "process", id="process without blend"),
        pytest.param((0.6, 0.6, 0.6, 0.6), "neighbours", id="no difference"),
    ],
)
def test_a_forecast_is_chosen_if_it_is_better_by_two_standard_errors(losses, chosen):
    scores = score_candidates(losses_to_p(losses), np.ones((100, 1)))

    assert ForecastChoice.from_scores(scores, "10 folds", 100).chosen == chosen


def test_log_loss_counts_known_cells_only():
    """
    Two cells of p .5 cost ln 2 each; the unknown one costs nothing.
    """
    p_cnm = np.full((4, 2, 2), 0.5)

    scores = score_candidates(p_cnm, np.array([[1, np.nan], [0, np.nan]]))

    assert [score.log_loss for score in scores] == pytest.approx([np.log(2)] * 4)
    assert [score.gain for score in scores] == [0.0] * 4


def test_too_few_outcomes_give_no_scores():
    assert score_candidates(np.full((4, 2, 2), 0.5), np.array([[1, 0], [np.nan, np.nan]])) == ()


def test_an_anchor_does_not_affect_its_own_out_of_fold_forecast():
    """
    The outcome of one anchor changes others' forecasts and not its own.
    """
    bank = two_kinds(60)
    flipped = bank.outcomes.correct_am.copy()
    flipped[7] = 1 - flipped[7]
    before, after = out_of_fold(bank), out_of_fold(with_correct(bank, flipped))

    np.testing.assert_array_equal(after[:, 7], before[:, 7])
    assert not np.array_equal(after, before)


def test_outcomes_without_pattern_are_forecast_as_before_the_fit():
    bank = choose_forecast(fit_bank(noise_bank()))

    assert bank.choice.chosen == "neighbours"


def test_outcomes_with_a_pattern_are_forecast_by_the_fit():
    assert choose_forecast(fit_bank(two_kinds(60))).choice.chosen in ("blend", "process")


def test_the_chosen_means_are_predicted_for_every_question():
    """
    The same probabilities for all questions; tokens stay those of the forecaster.
    """
    fitted = fit_bank(noise_bank())
    means = ForecastChoice(chosen="means", method="by hand", n_anchors=60, candidates=())
    bank = replace(fitted, choice=means)
    questions = bank.embedding_ad[:5], bank.features_af[:5]

    got, _ = AnchorPredictor(bank).predict(*questions)
    as_fitted, _ = AnchorPredictor(fitted).predict(*questions)

    assert (got.p_correct_qm == got.p_correct_qm[0]).all()
    np.testing.assert_array_equal(got.completion_tokens_qm, as_fitted.completion_tokens_qm)


def test_the_choice_survives_save_and_load_and_another_fit_drops_it(tmp_path):
    bank = choose_forecast(fit_bank(two_kinds(60)))
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01", sources=())

    loaded = load_bank(tmp_path / "bank")

    assert loaded.choice == bank.choice
    assert fit_bank(loaded).choice is None


def test_a_bank_of_twenty_anchors_is_chosen_for():
    assert choose_forecast(fit_bank(two_kinds(20))).choice.method == "10 folds"


def test_a_bank_that_was_not_fitted_is_refused():
    with pytest.raises(BankError, match="fit it before its forecast is chosen"):
        choose_forecast(two_kinds(30))


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_candidate_is_the_forecast_of_a_bank_that_has_chosen_it(name):
    """
    Bit for bit, also for a question far from all anchors.
    """
    bank = fit_bank(two_kinds())
    choice = ForecastChoice(chosen=name, method="by hand", n_anchors=60, candidates=())
    far = unit([[0, 0, 0, 0, 0, 0, 0, -1]])
    embedding_qd = np.concatenate([bank.embedding_ad[:3], far]).astype(np.float32)
    questions = embedding_qd, bank.features_af[:4], np.array([0, -1, 2, -1])

    p_cqm = AnchorPredictor(bank).predict_candidates(*questions)

    expected, _ = AnchorPredictor(replace(bank, choice=choice)).predict(*questions)
    np.testing.assert_array_equal(p_cqm[CANDIDATES.index(name)], expected.p_correct_qm)


def test_candidates_of_a_bank_that_was_not_fitted_are_refused():
    bank = two_kinds()

    with pytest.raises(BankError, match="no forecaster"):
        AnchorPredictor(bank).predict_candidates(
            bank.embedding_ad[:1], bank.features_af[:1], np.array([-1])
        )
