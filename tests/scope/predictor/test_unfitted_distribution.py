import numpy as np
import pytest

from scope import AnchorPredictor
from scope.bank import CANDIDATES
from scope.config import AnchorConfig
from scope.predictor.reference_population import fit_bank
from tests.factories.banks import bank_of, unit

pytestmark = pytest.mark.usefixtures("one_thread")


def cluster_bank(n_anchors):
    """Anchors around one direction."""
    rng = np.random.default_rng(0)
    near = np.array([1.0, 0, 0, 0, 0, 0, 0, 0]) + 0.2 * rng.standard_normal((n_anchors, 8))
    return bank_of(rng.random((n_anchors, 2)) < [0.3, 0.9], embedding=unit(near))


def score_of(bank, embedding, self_index=None):
    """In-distribution score of one question."""
    return score_of_vector(bank, unit([embedding]), self_index)


def score_of_vector(bank, embedding_1d, self_index=None):
    """The same of a vector of any length."""
    got, _ = AnchorPredictor(bank).predict(
        embedding_1d, np.zeros((1, bank.features_af.shape[1])), self_index
    )
    return got.in_distribution_qm[0, 0]


def test_a_question_unlike_all_anchors_is_out_of_distribution_without_a_fit():
    bank = cluster_bank(60)

    assert score_of(bank, [1, 0, 0, 0, 0, 0, 0, 0]) == 1
    assert score_of(bank, [0, 1, 0, 0, 0, 0, 0, 0]) < 0.8
    assert score_of(bank, [-1, 0, 0, 0, 0, 0, 0, 0]) == 0


def test_an_anchor_is_in_distribution_without_a_fit():
    bank = cluster_bank(60)

    assert score_of(bank, bank.embedding_ad[3], np.array([3])) == 1


def test_a_fitted_bank_tells_without_its_forecaster():
    bank, far = fit_bank(cluster_bank(60)), unit([[0, 1, 0, 0, 0, 0, 0, 0]])
    got, _ = AnchorPredictor(bank, AnchorConfig(use_forecaster=False)).predict(
        far, np.zeros((1, bank.features_af.shape[1]))
    )

    assert (got.in_distribution_qm < 0.8).all()


def test_a_text_that_was_not_embedded_is_unknown():
    """
    A zero vector is neither in nor out of distribution.
    """
    assert np.isnan(score_of_vector(cluster_bank(60), np.zeros((1, 8), dtype=np.float32)))


def test_far_from_all_anchors_the_forecast_is_the_models_means():
    bank = cluster_bank(60)
    got, _ = AnchorPredictor(bank).predict(
        unit([[-1, 0, 0, 0, 0, 0, 0, 0]]), np.zeros((1, bank.features_af.shape[1]))
    )
    means_qm = AnchorPredictor(fit_bank(bank)).predict_candidates(
        bank.embedding_ad[:1], bank.features_af[:1], np.array([-1])
    )[CANDIDATES.index("means")]

    np.testing.assert_allclose(got.p_correct_qm, means_qm)


def test_a_bank_of_nineteen_anchors_cannot_tell():
    assert np.isnan(score_of(cluster_bank(19), [0, 1, 0, 0, 0, 0, 0, 0]))
