import numpy as np
import pytest

from scope.forecast.forecaster import Head
from scope.forecast.gaussian_process import GaussianProcess, _impute
from scope.forecast.kernel import Kernel
from scope.forecast.kernel_eigen import KernelEigen


@pytest.fixture
def anchors():
    """Sixty anchors on a circle, with two features each."""
    angle_a = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    embedding_ad = np.column_stack([np.cos(angle_a), np.sin(angle_a)]).astype(np.float32)
    feature_ai = 0.1 * np.column_stack([np.arange(60) % 7, np.arange(60) % 5]).astype(np.float32)
    return angle_a, Kernel(embedding_ad, feature_ai), feature_ai


def gram(kernel):
    """The kernel of all pairs of anchors."""
    return kernel.gram_matrix(kernel.embedding_bd, kernel.feature_bi)


def decompose(kernel):
    """The eigendecomposition of all anchors."""
    return KernelEigen.from_similarity(gram(kernel), np.arange(len(kernel.embedding_bd)))


def predict(process, similarity_qa):
    """Posterior means, as `Head` computes them without categories."""
    n_models = len(process.mean_m)
    head = Head(process.mean_m, process.weight_bm, np.zeros((0, n_models)))
    return head.predict(similarity_qa, np.zeros((len(similarity_qa), 0)))


def test_a_question_is_most_similar_to_itself(anchors):
    """The kernel is 1 with itself, symmetric, and less than 1 with every other."""
    _, kernel, _ = anchors
    similarity_aa = gram(kernel)
    assert np.diag(similarity_aa) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(similarity_aa, similarity_aa.T, atol=1e-6)
    assert similarity_aa[~np.eye(60, dtype=bool)].max() < 1


def test_the_common_component_is_fitted_and_noise_is_not(anchors):
    """Models that follow a wave are predicted; a random difference gets high noise."""
    angle_a, kernel, feature_ai = anchors
    flips_a = 0.3 * np.random.default_rng(1).choice([-1, 1], 60)
    outcome_am = np.column_stack([np.sin(angle_a) + flips_a, np.sin(angle_a) - flips_a])
    process = GaussianProcess.fit(decompose(kernel), outcome_am)
    assert process.noise_z[1] > 10 * process.noise_z[0]
    posterior_am = predict(process, kernel.similarity(kernel.embedding_bd, feature_ai))
    assert np.abs(posterior_am - np.sin(angle_a)[:, None]).mean() < 0.15


def test_far_from_every_anchor_the_posterior_is_the_mean():
    """A question unlike all anchors gets each model's mean over them."""
    embedding_ad = np.array([[1, 0, 0], [0, 1, 0], [0.6, 0.8, 0]], dtype=np.float32)
    kernel = Kernel(embedding_ad, np.array([[0.1], [0.2], [0.3]], dtype=np.float32))
    outcome_am = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    process = GaussianProcess.fit(decompose(kernel), outcome_am)
    far_qa = kernel.similarity(
        np.array([[0, 0, -1]], dtype=np.float32), np.array([[1e3]], dtype=np.float32)
    )
    # Ten pseudo-anchors at the common mean, a half: (2 + 5) / 13 and (1 + 5) / 13.
    np.testing.assert_allclose(predict(process, far_qa)[0], [7 / 13, 6 / 13], atol=1e-6)


def test_an_unknown_outcome_counts_neither_as_correct_nor_as_wrong(anchors):
    """Hiding a tenth of the outcomes changes predictions less than setting them to 0."""
    angle_a, kernel, feature_ai = anchors
    outcome_am = np.column_stack([0.5 + 0.4 * np.sin(angle_a), 0.6 + 0.3 * np.sin(angle_a)])
    hidden_am = np.random.default_rng(1).random(outcome_am.shape) < 0.1
    eigen = decompose(kernel)
    similarity_qa = kernel.similarity(kernel.embedding_bd, feature_ai)
    whole, unknown, wrong = (
        predict(GaussianProcess.fit(eigen, np.where(hidden_am, fill, outcome_am)), similarity_qa)
        for fill in (outcome_am, np.nan, 0.0)
    )
    assert np.abs(unknown - whole).mean() < 0.3 * np.abs(wrong - whole).mean()


def test_an_unknown_outcome_follows_the_other_models_of_its_anchor():
    """Residuals of two models agree on measured anchors, so one that is .4 says .4 of the other."""
    residual_am = np.array([[0.5, 0.5], [-0.5, -0.5], [0.4, 0.0], [0.0, 0.0]])
    known_am = np.array([[True, True], [True, True], [True, False], [False, False]])
    predicted_am = np.full((4, 2), 0.1)
    imputed_am = _impute(
        residual_am + predicted_am, predicted_am, known_am, np.array([True, True, False, False])
    )
    assert imputed_am[2] == pytest.approx([0.5, 0.5], abs=0.01)
    assert imputed_am[3] == pytest.approx([0.1, 0.1])


def test_one_outcome_of_an_anchor_does_not_say_that_it_is_of_mean_difficulty(anchors):
    """Two models follow one wave; on two of three anchors only the first was run."""
    angle_a, kernel, feature_ai = anchors
    wave_a = 0.5 + 0.4 * np.sin(angle_a)
    outcome_am = np.column_stack([wave_a, wave_a])
    eigen = decompose(kernel)
    similarity_qa = kernel.similarity(kernel.embedding_bd, feature_ai)
    hidden_am = outcome_am.copy()
    hidden_am[np.arange(60) % 3 > 0, 1] = np.nan
    whole, sparse = (
        predict(GaussianProcess.fit(eigen, values), similarity_qa)
        for values in (outcome_am, hidden_am)
    )
    np.testing.assert_allclose(sparse, whole, atol=0.02)


def test_equal_outcomes_of_all_models_are_imputed_by_themselves(anchors):
    """Residuals without any variance: nothing is divided by it."""
    _, kernel, _ = anchors
    outcome_am = np.ones((60, 2))
    outcome_am[40:, 1] = np.nan
    process = GaussianProcess.fit(decompose(kernel), outcome_am)
    np.testing.assert_allclose(process.loo_am, 1.0)


@pytest.mark.parametrize("n_shared", [0, 5])
def test_sets_of_models_with_questions_of_their_own_do_not_disturb_each_other(n_shared):
    """
    Twenty models on 300 questions, eight on 150 others, and all of them on a few. No embedding
    tells an outcome, so that predictions are near the means. They were up to 0.3 away: imputed
    outcomes grew from round to round.
    """
    rng = np.random.default_rng(0)
    vector_ad = rng.standard_normal((450, 8)).astype(np.float32)
    vector_ad /= np.linalg.norm(vector_ad, axis=1, keepdims=True)
    right_am = rng.random((450, 1)) + 0.3 * rng.standard_normal((450, 28)) > 0.5
    outcome_am = np.where(right_am, 1.0, 0.0)
    outcome_am[: 300 - n_shared, 20:] = np.nan
    outcome_am[300:, :20] = np.nan
    kernel = Kernel(vector_ad, np.zeros((450, 2), dtype=np.float32))

    process = GaussianProcess.fit(decompose(kernel), outcome_am)

    assert np.abs(process.loo_am - process.mean_m).max() < 0.15
