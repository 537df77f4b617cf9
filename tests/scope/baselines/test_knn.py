import numpy as np

from scope.baselines.knn import TunedKNN, published_stage_one
from tests.factories.banks import LARGE, SMALL, bank_of, labelled_pair, unit

NEAR, FAR = [1, 0, 0, 0], [1, 1, 0, 0]


def test_the_published_stage_one_by_hand():
    """
    Four anchors at cosine 1 and two at sqrt(.5), whose square is 1/2: total weights 4
    and 1. The small model is correct on the near ones: 4 / 5. Costs are means of anchors.
    """
    bank = bank_of([[1, 0]] * 4 + [[0, 1]] * 2, embedding=unit([NEAR] * 4 + [FAR] * 2))

    p, cost = published_stage_one(bank, unit([NEAR]))

    np.testing.assert_allclose(p, [[0.8, 0.2]], rtol=1e-6)
    prompt_tokens = (10 + 20 + 30 + 40 + 0.5 * (50 + 60)) / 5
    np.testing.assert_allclose(cost[0, 0], (prompt_tokens * 0.1 + 100 * 0.2) / 1e6, rtol=1e-6)


def test_in_the_published_form_an_opposite_anchor_has_full_weight():
    """
    Its cosine of -1, squared, is 1: a defect of the published code, kept for comparison.
    """
    bank = bank_of([[1, 0], [0, 1]], embedding=unit([NEAR, [-1, 0, 0, 0]]))

    p, _ = published_stage_one(bank, unit([NEAR]))

    np.testing.assert_allclose(p, [[0.5, 0.5]])


def test_in_the_published_form_six_unmeasured_neighbours_give_nan():
    """
    Unknown, not 0.
    """
    bank = bank_of([[1, np.nan]] * 6 + [[1, 1]], embedding=unit([NEAR] * 6 + [FAR]))

    p, cost = published_stage_one(bank, unit([NEAR]))

    assert np.isnan([p[0, 1], cost[0, 1]]).all()
    assert p[0, 0] == 1


def test_tuned_knn_finds_a_pattern_in_the_embedding():
    """
    The small model is correct on one side of the embedding space.
    """
    bank, questions = labelled_pair(200, 60)

    p = TunedKNN(bank).predict(questions.embedding_ad)

    easy = questions.embedding_ad[:, 0] > 0
    assert p[easy, 0].min() > 0.7
    assert p[~easy, 0].max() < 0.3


def test_tuned_knn_uses_measured_anchors_only():
    """
    Half of the outcomes of the small model are missing.
    """
    bank, questions = labelled_pair(100, 40)
    bank.outcomes.correct_am[::2, 0] = np.nan

    p = TunedKNN(bank).predict(questions.embedding_ad)

    assert np.isfinite(p).all()
    assert ((p > 0) & (p < 1)).all()


def test_tuning_is_leave_one_out():
    """
    On random outcomes; if an anchor were its own neighbour, one neighbour would be best.
    """
    rng = np.random.default_rng(0)
    correct = (rng.random((300, 2)) < 0.5).astype(float)
    bank = bank_of(correct, models=(SMALL, LARGE), embedding=unit(rng.standard_normal((300, 4))))

    fit = TunedKNN(bank)

    assert fit.settings.prior_strength == 30
    assert abs(fit.predict(bank.embedding_ad) - 0.5).max() < 0.25
