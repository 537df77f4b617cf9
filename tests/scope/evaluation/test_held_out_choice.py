import numpy as np
import pytest

from scope.evaluation.held_out_choice import best_mixture, best_setting, hash_folds, held_out_curve
from scope.evaluation.strategies import BestSingleModel, ResampledOutcomes

CORRECT = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=float)
"""One setting is right on the first two questions, the other on the last two."""
COST = np.array([[1, 2], [1, 2], [1, 2], [1, 4]], dtype=float)
FOLDS = np.array([0, 0, 1, 1])
EVEN = np.full((1, 4), 0.25)


def curve(budget, choose=best_setting, correct=CORRECT, weight=EVEN):
    got = held_out_curve(COST, correct, weight, FOLDS, np.array([[float(budget)]]), choose)
    return got.accuracy_rb[0, 0], got.cost_usd_rb[0, 0]


@pytest.mark.parametrize(
    ("budget", "choose", "accuracy", "cost"),
    [
        pytest.param(9, best_setting, 0, 1.5, id="what is best on one half is wrong on the other"),
        pytest.param(1, best_setting, 0.5, 1, id="only the cheap setting fits the budget"),
        pytest.param(2, best_mixture, 0.25, 1.25, id="half of each, chosen for the first half"),
        pytest.param(0.5, best_setting, np.nan, np.nan, id="no setting is that cheap"),
    ],
)
def test_a_fold_is_judged_by_what_the_other_has_chosen(budget, choose, accuracy, cost):
    """
    Each half says that the setting is right which is wrong on the other. For a budget of 2 the
    last two choose half of each for the first two (costs 1 and 3): right on half of them, for
    1.5; the first two choose the cheap setting for the last: never right, for 1.
    """
    assert curve(budget, choose) == pytest.approx((accuracy, cost), nan_ok=True)


def test_a_setting_that_is_best_everywhere_loses_nothing():
    """
    The second one is always right: all halves choose it, for 2.5 a question.
    """
    assert curve(9, correct=np.array([[0.0, 1.0]] * 4)) == pytest.approx((1, 2.5))


def test_a_resample_weighs_the_questions_of_each_fold():
    """
    Three draws of the first question: the first half still chooses for the last draw alone.
    """
    weight = np.array([[0.75, 0, 0, 0.25]])

    assert curve(9, weight=weight) == pytest.approx((0, 0.75 * 2 + 0.25 * 1))


def test_where_the_other_questions_cost_more_the_cheapest_is_taken():
    """
    Both settings cost more than the budget on the other half, not on all questions.
    """
    cost = np.array([[1, 2], [1, 2], [3, 4], [3, 4]], dtype=float)

    got = held_out_curve(cost, CORRECT, EVEN, FOLDS, np.array([[2.0]]), best_setting)

    assert got.accuracy_rb[0, 0] == pytest.approx(0.5)  # the first for the first two: right
    assert got.cost_usd_rb[0, 0] == pytest.approx((1 + 1 + 4 + 4) / 4 - 0.5)


def test_folds_are_even_and_depend_on_the_ids_alone():
    """
    Ten questions in five folds of two; another order of the ids changes no fold.
    """
    ids = [f"q{n}" for n in range(10)]

    folds = dict(zip(ids, hash_folds(ids, 5).tolist(), strict=True))

    assert sorted(folds.values()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert hash_folds(ids[::-1], 5).tolist() == [folds[name] for name in ids[::-1]]


def test_noise_wins_nothing_once_it_is_judged_elsewhere():
    """
    20 models that toss the same coin: the best of them on its own 60 questions is 10 points
    above a coin, chosen on others it is not.
    """
    rng = np.random.default_rng(0)
    correct, cost = rng.integers(0, 2, (60, 20)).astype(float), np.ones((60, 20))
    even, no_limit = np.full((1, 60), 1 / 60), np.array([[2.0]])

    flattered, judged = (
        BestSingleModel()
        .evaluate_at(ResampledOutcomes.from_outcomes(correct, cost, even, folds), no_limit)
        .accuracy_rb[0, 0]
        for folds in (None, np.arange(60) % 10)
    )

    assert flattered > 0.6
    assert judged < 0.55
