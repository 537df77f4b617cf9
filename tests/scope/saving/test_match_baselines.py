import numpy as np
import pytest

from scope.baselines.inputs import TrainingSet
from scope.saving.match_baselines import NClassBaseline, NLabelBaseline, best_arms, match_labels


def two_kinds_of_questions(n=200):
    """The first input tells where the small arm is right; the large one always is."""
    easy_a = np.arange(n) % 2 == 0
    design_af = np.column_stack([np.where(easy_a, 1.0, -1.0), np.random.default_rng(0).random(n)])
    return TrainingSet(design_af, np.column_stack([easy_a.astype(float), np.ones(n)]))


@pytest.mark.parametrize(
    ("quality", "labels"),
    [
        pytest.param([0, 1], [0, 1], id="worse"),
        pytest.param([1, 1], [1, 1], id="a tie is a match"),
        pytest.param([0, 0], [1, 1], id="both wrong is a match"),
        pytest.param([0.4, 0.3], [1, 1], id="partial credit"),
        pytest.param([np.nan, 1], [np.nan, 1], id="unknown arm"),
        pytest.param([1, np.nan], [np.nan, np.nan], id="unknown reference"),
    ],
)
def test_match_labels(quality, labels):
    """
    1 where an arm is at least as good as the reference, the second one.
    """
    np.testing.assert_array_equal(match_labels(np.array([quality], float), 1), [labels])


def test_equally_good_arms_go_to_the_cheapest():
    """
    Both right: the second one, which costs less.
    """
    assert best_arms(np.ones((1, 2)), np.array([3.0, 2.0])).tolist() == [1]


def test_n_label_separates_the_questions():
    """
    P(match) of the small arm is above a half on easy questions only, that of the reference is 1.
    """
    training = two_kinds_of_questions()

    p_qm = NLabelBaseline(training, np.arange(200) < 40, 1).predict(
        np.array([[1.0, 0.5], [-1.0, 0.5]])
    )

    assert p_qm[0, 0] > 0.55
    assert p_qm[1, 0] < 0.45
    assert p_qm[:, 1].tolist() == [1, 1]


def test_n_class_sends_each_kind_to_its_best_arm():
    """
    The cheap arm for easy questions, the large one for the others.
    """
    router = NClassBaseline(two_kinds_of_questions(), np.array([1.0, 10.0]), 1.0)

    assert router.choose(np.array([[1.0, 0.5], [-1.0, 0.5]])).tolist() == [0, 1]


def test_n_class_with_one_label_always_chooses_it():
    """
    An arm that is always as good as the others and cheapest.
    """
    training = TrainingSet(np.eye(3), np.ones((3, 2)))

    assert NClassBaseline(training, np.array([2.0, 1.0]), 1.0).choose(np.eye(3)).tolist() == [1] * 3
