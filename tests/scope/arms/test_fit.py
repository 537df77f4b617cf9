import numpy as np
import pytest

from scope.arms.fit import LOG_CONCENTRATION, fit_concentration, within_question_auc


def draw(kappa, n_questions=3_000, n_samples=10, seed=0):
    rng = np.random.default_rng(seed)
    p_q = rng.uniform(0.1, 0.9, n_questions)
    theta_q = p_q if np.isinf(kappa) else rng.beta(kappa * p_q, kappa * (1 - p_q))
    return p_q, (rng.random((n_questions, n_samples)) < theta_q[:, None]).astype(float)


@pytest.mark.parametrize("kappa", [0.5, 2.0, 8.0])
def test_the_concentration_of_simulated_samples_is_recovered(kappa):
    assert fit_concentration(*draw(kappa)) == pytest.approx(kappa, rel=0.1)


def test_independent_samples_have_the_largest_concentration():
    assert fit_concentration(*draw(np.inf)) > 100


def test_samples_that_always_agree_have_the_smallest_concentration():
    p_q = np.full(50, 0.5)
    correct_qo = np.repeat([[1.0], [0.0]], 25, axis=0).repeat(4, axis=1)
    assert fit_concentration(p_q, correct_qo) == pytest.approx(
        np.exp(LOG_CONCENTRATION[0]), rel=0.1
    )


def test_missing_samples_change_nothing():
    p_q, correct_qo = draw(2.0, n_questions=200)
    padded_qo = np.hstack([correct_qo, np.full((200, 3), np.nan)])
    assert fit_concentration(p_q, padded_qo) == fit_concentration(p_q, correct_qo)


def test_only_pairs_within_a_question_count():
    correct_qo = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    score_qo = np.array([[0.9, 0.9], [0.1, 0.1], [0.2, 0.3]])
    assert within_question_auc(correct_qo, score_qo) == 0.0


def test_unscored_samples_are_no_pairs():
    correct_qo = np.array([[1.0, 0.0, 0.0]])
    assert within_question_auc(correct_qo, np.array([[0.5, np.nan, 0.1]])) == 1.0


def test_without_mixed_questions_the_discrimination_is_unknown():
    assert np.isnan(within_question_auc(np.ones((2, 3)), np.ones((2, 3))))
