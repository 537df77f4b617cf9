import json

import numpy as np
import pytest

from scope.arms import FittedResampling, fit_resampling
from scope.arms.picks import N_DRAWS, Picks, cells_of
from scope.errors import ConfigError
from tests.scope.arms.simulated import answers, graded, scored


def includes(estimate, value):
    return estimate.low <= value <= estimate.high


def one_model(kappa=2.0, odds=3.0, n_questions=600, n_samples=10, seed=0):
    """p, grades and scores with an axis for one model."""
    rng = np.random.default_rng(seed)
    p_q, correct_qo = graded(rng, kappa, n_questions, n_samples)
    return p_q[:, None], correct_qo[:, None], scored(rng, correct_qo, odds)[:, None]


def side_by_side(*parts):
    """Join the arrays of several models along their axis."""
    return tuple(np.concatenate(part, axis=1) for part in zip(*parts, strict=True))


@pytest.fixture(scope="module")
def two_scored():
    """Kappa 0.5 and 4, one selector of odds 3 (AUC .75)."""
    p_qm, correct_qmo, score_qmo = side_by_side(one_model(0.5, seed=1), one_model(4.0, seed=2))
    return fit_resampling(["a", "b"], p_qm, correct_qmo, "armo", score_qmo=score_qmo)


@pytest.fixture(scope="module")
def two_majorities():
    """Kappa 2, wrong answers of diversity 0.7 and 6."""
    rng = np.random.default_rng(3)
    p_q, correct_qo = graded(rng, 2.0, 600, 10)
    answer_qmo = np.stack([answers(rng, correct_qo, alpha) for alpha in (0.7, 6.0)], axis=1)
    twice = np.stack([p_q, p_q], axis=1), np.stack([correct_qo, correct_qo], axis=1)
    return fit_resampling(["a", "b"], *twice, "majority", answer_qmo=answer_qmo)


def test_the_parameters_of_simulated_scores_are_recovered(two_scored):
    for fit, kappa in zip(two_scored, (0.5, 4.0), strict=True):
        assert includes(fit.concentration, kappa)
        assert includes(fit.odds, 3.0)
        assert includes(fit.exponent, 1.0)
        assert includes(fit.auc, 0.75)
        assert fit.concentration.high < 1.5 * fit.concentration.low
        assert fit.odds.high < 1.5 * fit.odds.low
        assert abs(fit.largest_error) < 0.03


def test_models_with_one_selector_share_its_odds(two_scored):
    assert two_scored[0].odds == two_scored[1].odds
    assert two_scored[0].is_pooled


def test_the_diversity_of_simulated_votes_is_recovered(two_majorities):
    for fit, diversity in zip(two_majorities, (0.7, 6.0), strict=True):
        assert fit.diversity is not None
        assert includes(fit.diversity, diversity)
        assert fit.diversity.high < 1.6 * fit.diversity.low
        assert includes(fit.odds, 1.0)
        assert includes(fit.concentration, 2.0)
        assert abs(fit.largest_error) < 0.03


def test_models_whose_votes_differ_are_fitted_apart(two_majorities):
    assert not two_majorities[0].is_pooled


def test_selectors_of_different_quality_are_fitted_apart():
    p_qm, correct_qmo, score_qmo = side_by_side(
        one_model(odds=1.5, seed=1), one_model(odds=9.0, seed=2)
    )

    worse, better = fit_resampling(["a", "b"], p_qm, correct_qmo, "armo", score_qmo=score_qmo)

    assert not worse.is_pooled
    assert includes(worse.odds, 1.5)
    assert includes(better.odds, 9.0)


def test_a_selector_that_scores_equal_texts_equally_has_a_small_exponent():
    """
    All correct samples share a score, and all wrong ones: more of either do not help.
    """
    p_qm, correct_qmo, _ = one_model()
    score_qmo = np.random.default_rng(0).gumbel(size=(600, 1, 2))
    score_qmo[..., 1] += np.log(3)
    picked_qmo = np.take_along_axis(score_qmo, correct_qmo.astype(int), axis=2)

    (fit,) = fit_resampling(["a"], p_qm, correct_qmo, "armo", score_qmo=picked_qmo)

    assert fit.exponent.value < 0.2
    assert includes(fit.odds, 3.0)


def test_few_questions_of_one_model_take_the_concentration_of_the_others():
    p_qm, correct_qmo, score_qmo = side_by_side(*(one_model(2.0, seed=seed) for seed in range(3)))
    correct_qmo[50:, 2] = np.nan

    fits = fit_resampling(["a", "b", "c"], p_qm, correct_qmo, "armo", score_qmo=score_qmo)
    alone = fit_resampling(
        ["c"], p_qm[:, 2:], correct_qmo[:, 2:], "armo", score_qmo=score_qmo[:, 2:]
    )

    assert fits[2].n_questions == 50
    assert includes(fits[2].concentration, 2.0)
    widths = [fit.concentration.high / fit.concentration.low for fit in (fits[2], alone[0])]
    assert widths[0] < widths[1]


def test_a_verifier_stays_finite():
    p_qm, correct_qmo, _ = one_model()

    (fit,) = fit_resampling(["a"], p_qm, correct_qmo, "tests", score_qmo=correct_qmo)

    assert fit.auc.value == 1
    assert 100 < fit.odds.value < fit.odds.high < np.inf


def test_the_same_samples_give_the_same_fit():
    first, second = (
        fit_resampling(["a"], *one_model()[:2], "armo", score_qmo=one_model()[2]) for _ in range(2)
    )
    assert first == second


def test_a_fit_prints_a_cell_for_every_header_and_plain_json(two_scored, two_majorities):
    for fit in (two_scored[0], two_majorities[0]):
        assert len(fit.cells()) == len(FittedResampling.HEADERS)
        facts = json.loads(json.dumps(fit.to_json()))
        assert facts["resampling"]["source"] == "fitted"
        assert len(facts["concentration"]) == 3


def test_an_ungraded_or_unscored_sample_or_an_unpredicted_question_is_left_out():
    p_qm, correct_qmo, score_qmo = one_model(n_questions=200)
    p_qm[:50], correct_qmo[50:60], score_qmo[60:70] = np.nan, np.nan, np.nan

    (fit,) = fit_resampling(["a"], p_qm, correct_qmo, "armo", score_qmo=score_qmo)

    assert fit.n_questions == 130


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda p, correct, score: (p, correct[..., :1], score[..., :1]),
            r"model 'a'.*at most 1 graded sample",
            id="one sample",
        ),
        pytest.param(
            lambda p, correct, score: (p[:49], correct[:49], score[:49]),
            r"model 'a': 49 questions .* at least 50",
            id="few questions",
        ),
        pytest.param(
            lambda p, correct, score: (p, correct[..., :1].repeat(10, axis=2), score),
            r"model 'a': no question has both correct and wrong.*temperature above 0",
            id="all samples equal",
        ),
    ],
)
def test_samples_that_tell_nothing_are_refused(change, message):
    p_qm, correct_qmo, score_qmo = change(*one_model(n_questions=100))
    with pytest.raises(ConfigError, match=message):
        fit_resampling(["a"], p_qm, correct_qmo, "armo", score_qmo=score_qmo)


def test_scores_and_answers_exclude_each_other():
    p_qm, correct_qmo, _ = one_model(n_questions=60)
    with pytest.raises(ValueError, match="either score_qmo or answer_qmo"):
        fit_resampling(["a"], p_qm, correct_qmo, "armo")


def test_picks_of_two_of_three_votes():
    """
    Two correct of three: one pair of three has two correct samples; in the others a correct and
    a wrong answer tie.
    """
    picks = Picks.draw(np.array([[1.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]]), is_majority=True)

    drawn_n, right_n = picks.drawn_qn[0], picks.right_qn[0]
    assert drawn_n[cells_of(2)].sum() == pytest.approx(1)
    assert right_n[cells_of(2)][1] == pytest.approx(drawn_n[cells_of(2)][1] / 2)
    assert right_n[cells_of(3)].tolist() == pytest.approx([0, 0, 1, 0])
    assert not drawn_n[cells_of(5)].any()


def test_a_wrong_sample_without_an_answer_has_no_vote():
    picks = Picks.draw(np.array([[1.0, 0.0]]), np.array([[0.0, np.nan]]), is_majority=True)
    assert picks.right_qn[0, cells_of(2)].tolist() == pytest.approx([0, 1, 0])
    assert N_DRAWS * picks.drawn_qn[0, cells_of(2)][1] == pytest.approx(N_DRAWS)
