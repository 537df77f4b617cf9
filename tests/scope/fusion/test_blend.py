"""How an answer of the reasoner changes the estimates, and its bounds."""

import numpy as np
import pytest
from hypothesis import given
from scipy.special import expit, logit

from scope.fusion.blend import MAX_LOG_RATIO, Blend
from scope.predictions import COLUMNS
from tests.factories.blends import (
    NAN,
    blend_of,
    estimates_of,
    pool,
    random_cases,
    reasoner_predictions,
)

MODELS = pool(1.0, 10.0)


def estimates(p=((0.5, 0.8),), tokens=((1_000.0, 2_000.0),)):
    return estimates_of(p, tokens, MODELS)


def test_evidence_adds_up_in_log_odds():
    """
    Even odds and an answer at 3:1 make 3:1; odds of 4:1 and one at 1:3 make 4:3.
    """
    after = blend_of().apply(estimates(), reasoner_predictions([[0.75, 0.25]]), MODELS)

    np.testing.assert_allclose(after.p_correct_qm, [[3 / 4, 4 / 7]])


def test_an_answer_counts_from_its_baseline():
    """
    A baseline of 3:1: an answer of 3:1 changes nothing.
    """
    blend = blend_of(baseline_log_odds_m=np.array([logit(0.75), logit(0.25)]))

    after = blend.apply(estimates(), reasoner_predictions([[0.75, 0.25]]), MODELS)

    np.testing.assert_allclose(after.p_correct_qm, [[0.5, 0.8]])


def test_weight_and_slope_scale_log_odds():
    """
    Half of log 3 is log √3, half of log 4 is log 2: 2 * √3 : 1.
    """
    blend = blend_of(weight=0.5, slope=0.5)

    after = blend.apply(estimates(), reasoner_predictions([[0.75, 0.75]]), MODELS)

    odds = np.array([[np.sqrt(3), 2 * np.sqrt(3)]])
    np.testing.assert_allclose(after.p_correct_qm, odds / (1 + odds))


def test_the_interval_moves_with_the_probability():
    """
    By the same log odds: .4 to .6 becomes 2:1 and 4.5:1 after an answer at 3:1.
    """
    after = blend_of().apply(estimates(), reasoner_predictions([[0.75, NAN]]), MODELS)

    np.testing.assert_allclose(after.p_correct.low_qm[0, 0], 2 / 3)
    np.testing.assert_allclose(after.p_correct.high_qm[0, 0], 4.5 / 5.5)


@pytest.mark.parametrize(("p_yes", "limit"), [(1.0, 2.0), (0.9999, 2.0), (0.0, -1.0)])
def test_the_deviation_is_clipped(p_yes, limit):
    """
    At +2 and -1 log odds, a certain answer included.
    """
    blend = blend_of(low=-1.0, high=2.0)

    after = blend.apply(estimates(), reasoner_predictions([[p_yes, NAN]]), MODELS)

    np.testing.assert_allclose(after.p_correct_qm[0, 0], expit(limit))


def test_lengths_move_tokens_and_cost():
    """
    An answer of twice the tokens, weight 1: 2,001 for 1,001; the cost of the prompt stays.
    """
    blend = blend_of(weight=0.0, length_weight=1.0, baseline_log_ratio_m=np.zeros(2))

    after = blend.apply(estimates(), reasoner_predictions([[NAN, NAN]], [[2_001.0, NAN]]), MODELS)

    factor = 2_002 / 1_001
    tokens = [after.completion_tokens.low_qm, after.completion_tokens.high_qm]
    np.testing.assert_allclose(after.completion_tokens_qm, [[1_000 * factor, 2_000]])
    np.testing.assert_allclose([one[0, 0] for one in tokens], [500 * factor, 1_500 * factor])
    np.testing.assert_allclose(after.cost_usd_qm, [[3_000e-6, 0.03]])
    np.testing.assert_allclose(after.cost_usd.high_qm[0, 0], 4_000e-6)


def test_a_predicted_length_is_clipped():
    """
    A million tokens for a thousand multiply them by exp(1.5) at most.
    """
    blend = blend_of(weight=0.0, length_weight=1.0, baseline_log_ratio_m=np.zeros(2))

    after = blend.apply(estimates(), reasoner_predictions([[NAN, NAN]], [[1e6, 0.0]]), MODELS)

    limit = np.exp(MAX_LOG_RATIO)
    np.testing.assert_allclose(after.completion_tokens_qm, [[1_000 * limit, 2_000 / limit]])


@pytest.mark.parametrize(
    "blend",
    [
        pytest.param(Blend.identity(2), id="identity"),
        pytest.param(blend_of(baseline_log_odds_m=np.full(2, NAN)), id="no baseline"),
    ],
)
def test_without_weight_or_baseline_nothing_changes(blend):
    """
    Neither an estimate nor a bound.
    """
    before = estimates()

    after = blend.apply(before, reasoner_predictions([[0.99, 0.01]], [[5.0, 5.0]]), MODELS)

    for changed in (after, *blend.bounds(before, MODELS)):
        for name in COLUMNS:
            np.testing.assert_array_equal(changed.to_columns()[name], before.to_columns()[name])
    assert not blend.informative_m.any()


@given(random_cases(n_questions=2))
def test_without_an_answer_estimates_stay_bit_identical(case):
    """
    Probabilities without P(yes), tokens and costs without a length, models without a baseline.
    """
    blend, models, before, answers = case

    after = blend.apply(before, answers, models)

    same_p_qm = (
        np.isnan(answers.p_yes_qm) | np.isnan(blend.baseline_log_odds_m) | (blend.weight == 0)
    )
    same_tokens_qm = np.isnan(answers.tokens_qm) | np.isnan(blend.baseline_log_ratio_m)
    same_tokens_qm |= blend.length_weight == 0
    for name in COLUMNS:
        same_qm = same_p_qm if name.startswith("p_") else same_tokens_qm
        if name in ("prompt_tokens", "in_distribution"):
            same_qm = np.ones_like(same_tokens_qm)
        np.testing.assert_array_equal(
            after.to_columns()[name][same_qm], before.to_columns()[name][same_qm]
        )


@given(random_cases(n_questions=2))
def test_bounds_hold_whatever_the_answers(case):
    """
    They include the anchors' estimates; the interval contains the probability.
    """
    blend, models, before, answers = case

    after = blend.apply(before, answers, models)
    lower, upper = blend.bounds(before, models)

    for name in ("p_correct", "cost_usd"):
        low_qm, high_qm = lower.to_columns()[name], upper.to_columns()[name]
        for seen in (before.to_columns()[name], after.to_columns()[name]):
            assert ((low_qm <= seen) | np.isnan(seen)).all()
            assert ((seen <= high_qm) | np.isnan(seen)).all()
    known_qm = ~np.isnan(after.p_correct_qm)
    assert (after.p_correct.low_qm <= after.p_correct_qm)[known_qm].all()
    assert (after.p_correct_qm <= after.p_correct.high_qm)[known_qm].all()


@given(random_cases(n_questions=2))
def test_an_answer_changes_only_its_own_cell(case):
    """
    A question and model blended alone give the same estimates.
    """
    blend, models, before, answers = case

    together = blend.apply(before, answers, models)
    alone = [
        blend.select_models([m]).apply(
            before.select_models([m]),
            reasoner_predictions(answers.p_yes_qm[:, [m]], answers.tokens_qm[:, [m]]),
            models[m : m + 1],
        )
        for m in range(len(models))
    ]

    for name in ("p_correct", "cost_usd"):
        np.testing.assert_allclose(
            np.hstack([one.to_columns()[name] for one in alone]),
            together.to_columns()[name],
            rtol=1e-12,
        )


def test_a_new_model_has_no_baseline():
    """
    Answers about it change nothing, those about the others count as before.
    """
    models = pool(1.0, 10.0, 2.0)
    before = estimates_of([[0.5, 0.8, 0.6]], [[1.0, 2.0, 3.0]], models)

    after = (
        blend_of(2)
        .with_new_model()
        .apply(before, reasoner_predictions([[0.75, 0.25, 0.99]]), models)
    )

    np.testing.assert_allclose(after.p_correct_qm, [[3 / 4, 4 / 7, 0.6]])
