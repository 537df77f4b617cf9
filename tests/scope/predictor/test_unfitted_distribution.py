import numpy as np
import pytest

from scope import AnchorPredictor
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
    got, _ = AnchorPredictor(bank).predict(
        unit([embedding]), np.zeros((1, bank.features_af.shape[1])), self_index
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


def test_far_from_all_anchors_the_forecast_is_the_models_means():
    bank = cluster_bank(60)
    got, _ = AnchorPredictor(bank).predict(
        unit([[-1, 0, 0, 0, 0, 0, 0, 0]]), np.zeros((1, bank.features_af.shape[1]))
    )
    means = AnchorPredictor(fit_bank(bank), forecast="means").predict(
        bank.embedding_ad[:1], bank.features_af[:1]
    )[0]

    np.testing.assert_allclose(got.p_correct_qm, means.p_correct_qm)


def test_a_bank_of_nineteen_anchors_cannot_tell():
    assert np.isnan(score_of(cluster_bank(19), [0, 1, 0, 0, 0, 0, 0, 0]))
