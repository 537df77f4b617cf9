"""The fitted weight of a reasoner: 0 unless it improves on the anchors alone."""

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri

from scope.fusion.blend import log_odds
from scope.fusion.fit import fit_blend
from tests.factories.blends import NAN, reasoner_predictions

N_MODELS = 6

pytestmark = pytest.mark.usefixtures("one_thread")


def bank(n_questions, *, seed=0):
    """Calibrated probabilities and outcomes; models and questions differ."""
    rng = np.random.default_rng(seed)
    level_m = rng.normal(0, 0.8, N_MODELS)
    hard_q1 = rng.normal(0, 0.8, (n_questions, 1))
    p_qm = expit(level_m + hard_q1 + rng.normal(0, 0.5, (n_questions, N_MODELS)))
    return p_qm, (rng.random(p_qm.shape) < p_qm).astype(float), rng


def evidence(correct_qm, auc, rng):
    """Independent log odds for the outcome with this AUC."""
    d = np.sqrt(2) * ndtri(auc)
    return d * (d * (correct_qm - 0.5) + rng.standard_normal(correct_qm.shape))


def fitted(p_qm, log_odds_qm, correct_qm):
    """The blend of a reasoner with these log odds and no predicted lengths."""
    hundred_qm = np.full(p_qm.shape, 100.0)
    return fit_blend(
        p_qm, hundred_qm, reasoner_predictions(expit(log_odds_qm)), correct_qm, hundred_qm
    )


def log_loss(p_qm, correct_qm):
    log_odds_qm = log_odds(p_qm)
    return float((np.logaddexp(0, log_odds_qm) - correct_qm * log_odds_qm).mean())


@pytest.mark.parametrize("n_questions", [30, 200])
@pytest.mark.parametrize("spread", [0.0, 1.0], ids=["even", "models differ"])
def test_noise_gets_no_weight(n_questions, spread):
    """
    At most two of 100 banks of each kind give it a weight.
    """
    weights = []
    for seed in range(100):
        p_qm, correct_qm, rng = bank(n_questions, seed=seed)
        noise_qm = rng.normal(0, 1, p_qm.shape) + rng.normal(0, spread, N_MODELS)
        weights.append(fitted(p_qm, noise_qm, correct_qm).weight)

    assert np.count_nonzero(weights) <= 2


@pytest.mark.parametrize("noise", [0.0, 0.5], ids=["bare", "and noise"])
def test_knowing_the_mean_of_each_model_gets_no_weight(noise):
    """
    The bank knows it already: each answer is the model's true mean, over 50 banks.
    """
    weights = []
    for seed in range(50):
        p_qm, correct_qm, rng = bank(100, seed=seed)
        mean_qm = np.broadcast_to(logit(p_qm).mean(axis=0), p_qm.shape)
        answers_qm = mean_qm + noise * rng.standard_normal(p_qm.shape)
        weights.append(fitted(p_qm, answers_qm, correct_qm).weight)

    assert np.count_nonzero(weights) <= 1


def test_repeating_the_anchors_gets_no_weight():
    """
    However accurate they are.
    """
    p_qm, correct_qm, _ = bank(300)

    assert fitted(p_qm, logit(p_qm), correct_qm).weight == 0


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.9])
def test_independent_evidence_gets_its_weight(auc):
    """
    Weight and slope are 1, and the loss on held-out questions falls.
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
    Where the answers include the anchors' evidence, the slope is near 0.
    """
    p_qm, correct_qm, rng = bank(1_500)

    blend = fitted(p_qm, logit(p_qm) + evidence(correct_qm, 0.8, rng), correct_qm)

    assert blend.weight == pytest.approx(1, abs=0.15)
    assert blend.slope == pytest.approx(0, abs=0.15)


def test_underconfident_answers_are_scaled_up():
    """
    Log odds of a tenth of the right size.
    """
    p_qm, correct_qm, rng = bank(1_000)

    blend = fitted(p_qm, evidence(correct_qm, 0.8, rng) / 10, correct_qm)

    assert blend.weight == pytest.approx(10, rel=0.2)


def test_a_perfect_reasoner_gets_a_finite_weight():
    """
    Every probability ends near the outcome.
    """
    p_qm, correct_qm, _ = bank(300)

    blend = fitted(p_qm, np.where(correct_qm == 1, np.inf, -np.inf), correct_qm)

    shift_qm = blend.log_odds_shift(correct_qm)
    after_qm = expit(blend.slope * log_odds(p_qm) + blend.weight * shift_qm)
    assert 0 < blend.weight < 10
    assert np.abs(after_qm - correct_qm).max() < 0.05


@pytest.mark.parametrize("auc", [0.6, 0.8, 0.999])
def test_an_inverted_reasoner_gets_no_weight(auc):
    """
    Weights are never negative.
    """
    p_qm, correct_qm, rng = bank(300)

    blend = fitted(p_qm, -evidence(correct_qm, auc, rng), correct_qm)

    assert (blend.weight, blend.slope, blend.shift_std) == (0, 1, 0)


def test_miscalibrated_anchors_give_a_reasoner_no_weight():
    """
    The anchors' log odds need another slope. Noise must improve on that slope alone, which it
    seems to do in at most 3 of 50 banks.
    """
    weights = []
    for seed in range(50):
        p_qm, correct_qm, rng = bank(300, seed=seed)
        overconfident_qm = expit(3 * logit(p_qm))
        weights.append(fitted(overconfident_qm, rng.normal(0, 1, p_qm.shape), correct_qm).weight)

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
    Nothing is fitted on too little data.
    """
    p_qm, correct_qm, rng = bank(changed.get("n", 100))
    p_yes_qm = expit(evidence(correct_qm, 0.9, rng))
    if "answers" in changed:
        p_yes_qm = np.full(p_qm.shape, changed["answers"])

    blend = fit_blend(p_qm, p_qm, reasoner_predictions(p_yes_qm), correct_qm, p_qm)

    assert (blend.weight, blend.length_weight) == (0, 0)


def test_gaps_are_ignored():
    """
    Missing answers, outcomes and forecasts take no part; a model without any answer has no
    baseline.
    """
    p_qm, correct_qm, rng = bank(400)
    p_yes_qm = expit(evidence(correct_qm, 0.8, rng))
    p_yes_qm[:, 2] = NAN
    p_yes_qm[::7, 3] = NAN
    p_qm[::11, 0] = NAN
    correct_qm[::5, 1] = NAN

    blend = fit_blend(p_qm, p_qm, reasoner_predictions(p_yes_qm), correct_qm, p_qm)

    assert blend.weight > 0.5
    assert np.isnan(blend.baseline_log_odds_m).tolist() == [False, False, True, False, False, False]


def lengths(n_questions, *, share, seed=0):
    """Tokens expected, answered and true; the answers explain this share of the log ratio."""
    rng = np.random.default_rng(seed)
    expected_qm = np.exp(rng.normal(6, 1, (n_questions, N_MODELS))).round()
    known_qm, hidden_qm = rng.normal(0, 0.5, (2, n_questions, N_MODELS))
    true_qm = (expected_qm + 1) * np.exp(share * known_qm + (1 - share) * hidden_qm) - 1
    bias_m = rng.normal(0, 1, N_MODELS)
    return expected_qm, (expected_qm + 1) * np.exp(known_qm + bias_m) - 1, true_qm


def fitted_lengths(expected_qm, answer_qm, true_qm):
    half_qm = np.full(expected_qm.shape, 0.5)
    return fit_blend(
        half_qm, expected_qm, reasoner_predictions(half_qm * NAN, answer_qm), half_qm, true_qm
    )


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_lengths_get_a_weight(share):
    """
    The weight is the explained share; the bias of a model does not count.
    """
    tokens = lengths(500, share=share)

    blend = fitted_lengths(*tokens)

    assert blend.length_weight == pytest.approx(share, abs=0.05)
    factor_qm = np.exp(blend.log_factor(tokens[1], tokens[0]))
    assert factor_qm.mean() == pytest.approx(1, abs=0.01)


def test_random_lengths_get_no_weight():
    """
    At most five of 100 banks give them one.
    """
    weights = [
        fitted_lengths(*lengths(100, share=0.0, seed=seed)).length_weight for seed in range(100)
    ]

    assert np.count_nonzero(weights) <= 5
