import numpy as np

from scope.evaluation.baseline_knn import TunedKNN, published_stage_one
from tests.factories.banks import LARGE, SMALL, bank_of, labelled_pair, unit

NEAR, FAR = [1, 0, 0, 0], [1, 1, 0, 0]


def test_the_published_stage_one_by_hand():
    """
    Four anchors at cosine 1, two at sqrt(.5), whose square is a half: weights 4 and 1.
    The small model is right on the near ones: 4 / 5. Costs are those of the anchors.
    """
    bank = bank_of([[1, 0]] * 4 + [[0, 1]] * 2, embedding=unit([NEAR] * 4 + [FAR] * 2))

    p, cost = published_stage_one(bank, unit([NEAR]))

    np.testing.assert_allclose(p, [[0.8, 0.2]], rtol=1e-6)
    prompt_tokens = (10 + 20 + 30 + 40 + 0.5 * (50 + 60)) / 5
    np.testing.assert_allclose(cost[0, 0], (prompt_tokens * 0.1 + 100 * 0.2) / 1e6, rtol=1e-6)


def test_as_published_an_opposite_anchor_counts_in_full():
    """
    Its cosine of -1, squared, is 1: a defect that is kept for the comparison.
    """
    bank = bank_of([[1, 0], [0, 1]], embedding=unit([NEAR, [-1, 0, 0, 0]]))

    p, _ = published_stage_one(bank, unit([NEAR]))

    np.testing.assert_allclose(p, [[0.5, 0.5]])


def test_as_published_six_silent_neighbours_know_nothing():
    """
    NaN, not 0.
    """
    bank = bank_of([[1, np.nan]] * 6 + [[1, 1]], embedding=unit([NEAR] * 6 + [FAR]))

    p, cost = published_stage_one(bank, unit([NEAR]))

    assert np.isnan([p[0, 1], cost[0, 1]]).all()
    assert p[0, 0] == 1


def test_tuned_neighbours_find_what_the_embedding_shows():
    """
    The small model is right on one side of the space.
    """
    bank, questions = labelled_pair(200, 60)

    p = TunedKNN(bank).predict(questions.embedding_ad)

    easy = questions.embedding_ad[:, 0] > 0
    assert p[easy, 0].min() > 0.7
    assert p[~easy, 0].max() < 0.3


def test_tuned_neighbours_hear_only_who_was_measured():
    """
    Half the outcomes of the small model are missing; a model without any would have no say.
    """
    bank, questions = labelled_pair(100, 40)
    bank.outcomes.correct_am[::2, 0] = np.nan

    p = TunedKNN(bank).predict(questions.embedding_ad)

    assert np.isfinite(p).all()
    assert ((p > 0) & (p < 1)).all()


def test_an_anchor_has_no_vote_on_itself_while_tuning():
    """
    Answers that are noise: with its own vote, one neighbour would seem best.
    """
    rng = np.random.default_rng(0)
    correct = (rng.random((300, 2)) < 0.5).astype(float)
    bank = bank_of(correct, models=(SMALL, LARGE), embedding=unit(rng.standard_normal((300, 4))))

    fit = TunedKNN(bank)

    assert fit.settings.prior_strength == 30
    assert abs(fit.predict(bank.embedding_ad) - 0.5).max() < 0.25
