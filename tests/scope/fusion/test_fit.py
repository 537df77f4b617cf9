"""The weight that a reasoner earns: none unless it foretells better than the anchors alone."""

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri

from scope.fusion.blend import log_odds
from scope.fusion.fit import fit_blend
from tests.factories.blends import NAN, said

N_MODELS = 6

pytestmark = pytest.mark.usefixtures("one_thread")


def bank(n_questions, *, seed=0):
    """Probabilities that are calibrated, and what came of them; models differ, and questions."""
    rng = np.random.default_rng(seed)
    level_m = rng.normal(0, 0.8, N_MODELS)
    hard_q1 = rng.normal(0, 0.8, (n_questions, 1))
    p_qm = expit(level_m + hard_q1 + rng.normal(0, 0.5, (n_questions, N_MODELS)))
    return p_qm, (rng.random(p_qm.shape) < p_qm).astype(float), rng


def evidence(correct_qm, auc, rng):
    """Log odds in favour of the truth, independent of all else, of this AUC."""
    d = np.sqrt(2) * ndtri(auc)
    return d * (d * (correct_qm - 0.5) + rng.standard_normal(correct_qm.shape))


def fitted(p_qm, log_odds_qm, correct_qm):
    """The blend of a reasoner with these log odds, which names no lengths."""
    hundred_qm = np.full(p_qm.shape, 100.0)
    return fit_blend(p_qm, hundred_qm, said(expit(log_odds_qm)), correct_qm, hundred_qm)


def log_loss(p_qm, correct_qm):
    log_odds_qm = log_odds(p_qm)
    return float((np.logaddexp(0, log_odds_qm) - correct_qm * log_odds_qm).mean())


@pytest.mark.parametrize("n_questions", [30, 200])
@pytest.mark.parametrize("spread", [0.0, 1.0], ids=["even", "models differ"])
def test_noise_earns_nothing(n_questions, spread):
    """
    In 100 banks of each kind at most two give it a weight.
    """
    weights = []
    for seed in range(100):
        p_qm, correct_qm, rng = bank(n_questions, seed=seed)
        noise_qm = rng.normal(0, 1, p_qm.shape) + rng.normal(0, spread, N_MODELS)
        weights.append(fitted(p_qm, noise_qm, correct_qm).weight)

    assert np.count_nonzero(weights) <= 2


@pytest.mark.parametrize("noise", [0.0, 0.5], ids=["bare", "and noise"])
def test_knowing_which_model_is_good_earns_nothing(noise):
    """
    The bank knows that better: each answer is the model's true mean, over 50 banks.
    """
    weights = []
    for seed in range(50):
        p_qm, correct_qm, rng = bank(100, seed=seed)
        mean_qm = np.broadcast_to(logit(p_qm).mean(axis=0), p_qm.shape)
        answers_qm = mean_qm + noise * rng.standard_normal(p_qm.shape)
        weights.append(fitted(p_qm, answers_qm, correct_qm).weight)

    assert np.count_nonzero(weights) <= 1


def test_saying_what_the_anchors_say_earns_nothing():
    """
    However good they are.
    """
    p_qm, correct_qm, _ = bank(300)

    assert fitted(p_qm, logit(p_qm), correct_qm).weight == 0


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.9])
def test_independent_evidence_earns_its_weight(auc):
    """
    It adds up with the anchors' one to one, and lowers the loss on questions held out.
    """
    p_qm, correct_qm, rng = bank(1_500)
    answers_qm = evidence(correct_qm, auc, rng)
    seen, new = slice(0, 500), slice(500, None)

    blend = fitted(p_qm[seen], answers_qm[seen], correct_qm[seen])

    after_qm = expit(
        blend.slope * log_odds(p_qm) + blend.weight * blend.log_odds_shift(expit(answers_qm))
    )
    assert blend.weight == pytest.approx(1, abs=0.15)
    assert blend.slope == pytest.approx(1, abs=0.15)
    assert log_loss(after_qm[new], correct_qm[new]) < 0.97 * log_loss(p_qm[new], correct_qm[new])


def test_answers_that_hold_the_anchors_evidence_replace_it():
    """
    A reasoner that knows all they know, and more, leaves them next to no say.
    """
    p_qm, correct_qm, rng = bank(1_500)

    blend = fitted(p_qm, logit(p_qm) + evidence(correct_qm, 0.8, rng), correct_qm)

    assert blend.weight == pytest.approx(1, abs=0.15)
    assert blend.slope == pytest.approx(0, abs=0.15)


def test_timid_answers_are_magnified():
    """
    Right in what it says, but a tenth as sure as it might be.
    """
    p_qm, correct_qm, rng = bank(1_000)

    blend = fitted(p_qm, evidence(correct_qm, 0.8, rng) / 10, correct_qm)

    assert blend.weight == pytest.approx(10, rel=0.2)


def test_who_is_always_right_is_believed():
    """
    The weight stays finite, and every probability lands on its side.
    """
    p_qm, correct_qm, _ = bank(300)

    blend = fitted(p_qm, np.where(correct_qm == 1, np.inf, -np.inf), correct_qm)

    news_qm = blend.log_odds_shift(correct_qm)
    after_qm = expit(blend.slope * log_odds(p_qm) + blend.weight * news_qm)
    assert 0 < blend.weight < 10
    assert np.abs(after_qm - correct_qm).max() < 0.05


@pytest.mark.parametrize("auc", [0.6, 0.8, 0.999])
def test_who_is_always_wrong_earns_nothing(auc):
    """
    Its answers could be turned round; nobody should trust a reasoner that needs it.
    """
    p_qm, correct_qm, rng = bank(300)

    blend = fitted(p_qm, -evidence(correct_qm, auc, rng), correct_qm)

    assert (blend.weight, blend.slope, blend.shift_std) == (0, 1, 0)


def test_anchors_that_are_off_are_not_the_reasoners_merit():
    """
    Stretching the anchors' own log odds would help a lot; noise must help beside that, which
    it seems to in at most 3 of 50 banks.
    """
    weights = []
    for seed in range(50):
        p_qm, correct_qm, rng = bank(300, seed=seed)
        bold_qm = expit(3 * logit(p_qm))
        weights.append(fitted(bold_qm, rng.normal(0, 1, p_qm.shape), correct_qm).weight)

    assert np.count_nonzero(weights) <= 3
    assert max(weights) < 0.2


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"n": 19}, id="19 questions"),
        pytest.param({"n": 0}, id="none"),
        pytest.param({"answers": NAN}, id="no answer"),
        pytest.param({"answers": 0.7}, id="one answer for all"),
    ],
)
def test_without_enough_answers_there_is_no_weight(changed):
    """
    Nothing is fitted on too little.
    """
    p_qm, correct_qm, rng = bank(changed.get("n", 100))
    p_yes_qm = expit(evidence(correct_qm, 0.9, rng))
    if "answers" in changed:
        p_yes_qm = np.full(p_qm.shape, changed["answers"])

    blend = fit_blend(p_qm, p_qm, said(p_yes_qm), correct_qm, p_qm)

    assert (blend.weight, blend.length_weight) == (0, 0)


def test_gaps_are_left_out():
    """
    Answers, outcomes and forecasts that are missing take no part; a model without any answer
    has no centre.
    """
    p_qm, correct_qm, rng = bank(400)
    p_yes_qm = expit(evidence(correct_qm, 0.8, rng))
    p_yes_qm[:, 2] = NAN
    p_yes_qm[::7, 3] = NAN
    p_qm[::11, 0] = NAN
    correct_qm[::5, 1] = NAN

    blend = fit_blend(p_qm, p_qm, said(p_yes_qm), correct_qm, p_qm)

    assert blend.weight > 0.5
    assert np.isnan(blend.baseline_log_odds_m).tolist() == [False, False, True, False, False, False]


def lengths(n_questions, *, share, seed=0):
    """Tokens expected, said and real; of the log ratio of the real ones this share is known."""
    rng = np.random.default_rng(seed)
    expected_qm = np.exp(rng.normal(6, 1, (n_questions, N_MODELS))).round()
    told_qm, hidden_qm = rng.normal(0, 0.5, (2, n_questions, N_MODELS))
    true_qm = (expected_qm + 1) * np.exp(share * told_qm + (1 - share) * hidden_qm) - 1
    wordy_m = rng.normal(0, 1, N_MODELS)
    return expected_qm, (expected_qm + 1) * np.exp(told_qm + wordy_m) - 1, true_qm


def fitted_lengths(expected_qm, told_qm, true_qm):
    half_qm = np.full(expected_qm.shape, 0.5)
    return fit_blend(half_qm, expected_qm, said(half_qm * NAN, told_qm), half_qm, true_qm)


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_lengths_earn_a_weight(share):
    """
    As much of what they say as is true; that a model is wordier than it says is no news.
    """
    tokens = lengths(500, share=share)

    blend = fitted_lengths(*tokens)

    assert blend.length_weight == pytest.approx(share, abs=0.05)
    factor_qm = np.exp(blend.log_factor(tokens[1], tokens[0]))
    assert factor_qm.mean() == pytest.approx(1, abs=0.01)


def test_lengths_that_are_noise_earn_nothing():
    """
    In 100 banks at most five times.
    """
    weights = [
        fitted_lengths(*lengths(100, share=0.0, seed=seed)).length_weight for seed in range(100)
    ]

    assert np.count_nonzero(weights) <= 5
