import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.arms import (
    best_of_n_probability,
    pass_at_n,
    rank_weights,
    resampled_probability,
)
from scope.pool import Resampling


@pytest.mark.parametrize(
    ("p", "kappa", "auc", "n", "expected"),
    [
        (0.3, 0.5, 0.60, 5, 0.323),
        (0.3, 2.0, 0.75, 3, 0.399),
        (0.5, 2.0, 0.90, 5, 0.742),
        (0.7, 2.0, 0.75, 5, 0.810),
        (0.5, math.inf, 0.75, 3, 0.671),
    ],
)
def test_best_of_n_has_the_published_values(p, kappa, auc, n, expected):
    probability = best_of_n_probability(np.array([p]), n, kappa, auc / (1 - auc))
    assert probability[0] == pytest.approx(expected, abs=5e-4)


def test_pass_at_five_of_a_coin_flip_is_all_but_one_in_32():
    assert pass_at_n(np.array([0.5]), 5, math.inf)[0] == pytest.approx(31 / 32)


def test_without_spread_within_a_question_more_samples_do_not_help():
    assert best_of_n_probability(np.array([0.3]), 10, 0.0, 9.0)[0] == pytest.approx(0.3)


def test_a_selector_with_the_discrimination_of_chance_does_not_help():
    assert best_of_n_probability(np.array([0.3]), 10, 2.0, 1.0)[0] == pytest.approx(0.3)


def test_the_formula_agrees_with_a_simulated_selector():
    rng = np.random.default_rng(0)
    p, kappa, odds, n, n_runs = 0.4, 2.0, 3.0, 5, 200_000
    theta = rng.beta(kappa * p, kappa * (1 - p), size=(n_runs, 1))
    correct = rng.random((n_runs, n)) < theta
    score = math.log(odds) * correct + rng.gumbel(size=(n_runs, n))
    picked = correct[np.arange(n_runs), score.argmax(axis=1)]
    expected = best_of_n_probability(np.array([p]), n, kappa, odds)[0]
    assert picked.mean() == pytest.approx(expected, abs=4 * math.sqrt(0.25 / n_runs))


@given(
    st.floats(0, 1),
    st.integers(1, 12),
    st.floats(0, 1e6),
    st.floats(1, 1e6),
)
def test_more_samples_never_hurt_with_a_useful_selector(p, n, kappa, odds):
    fewer, more = (
        best_of_n_probability(np.array([p]), count, kappa, odds)[0] for count in (n, n + 1)
    )
    assert 0 <= fewer <= more + 1e-9 <= 1 + 1e-9
    assert fewer >= p - 1e-9


@given(
    st.floats(0, 1),
    st.integers(1, 20),
    st.floats(0, 1e6),
    st.floats(1e-3, 1e3),
    st.floats(0.05, 5),
    st.none() | st.floats(1e-3, 1e4),
)
def test_any_selector_has_a_probability_and_one_sample_is_its_own(
    p, n, kappa, odds, exponent, diversity
):
    chance = best_of_n_probability(np.array([p]), n, kappa, odds, exponent, diversity)[0]
    assert 0 <= chance <= 1
    assert best_of_n_probability(np.array([p]), 1, kappa, odds, exponent, diversity)[0] == p


@given(st.floats(0, 1), st.integers(1, 20), st.floats(0, 1e6))
def test_a_random_pick_is_one_sample(p, n, kappa):
    assert best_of_n_probability(np.array([p]), n, kappa, 1.0)[0] == pytest.approx(p)


def test_two_votes_are_worth_one():
    assert best_of_n_probability(np.array([0.3]), 2, 2.0, 1.0, 1.0, 4.0)[0] == pytest.approx(0.3)


def test_three_independent_votes_by_hand():
    """
    p = .5, wrong samples differ in half of the cases: 1/8 all correct, 3/8 two correct, 3/8 one
    correct that wins a tie of three in 1/2 * 1/3 of the cases.
    """
    chance = best_of_n_probability(np.array([0.5]), 3, math.inf, 1.0, 1.0, 1.0)[0]
    assert chance == pytest.approx(1 / 8 + 3 / 8 + 3 / 8 / 6)


def test_votes_lose_where_most_samples_share_a_wrong_answer():
    chances = [
        best_of_n_probability(np.array([0.3]), n, math.inf, 1.0, 1.0, 1e-6)[0] for n in (3, 9)
    ]
    assert 0.3 > chances[0] > chances[1]


def test_a_spec_of_samples_gives_the_same_probability():
    known = Resampling(
        concentration=2.0, odds=1.0, diversity=4.0, selector="majority", source="fitted"
    )
    p_q = np.array([0.2, 0.7])
    assert resampled_probability(p_q, 5, known) == pytest.approx(
        best_of_n_probability(p_q, 5, 2.0, 1.0, 1.0, 4.0)
    )


def test_unknown_stays_unknown():
    assert np.isnan(best_of_n_probability(np.array([np.nan]), 3, 2.0, 3.0)).all()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_rank_weights_equal_the_enumeration_of_all_subsets(n):
    subsets = list(combinations(range(5), n))
    share = [sum(max(s) == rank for s in subsets) / len(subsets) for rank in range(5)]
    assert rank_weights(5, n) == pytest.approx(share)


def test_more_samples_than_there_are_is_an_error():
    with pytest.raises(ValueError, match=r"within 1\.\.3, got 4"):
        rank_weights(3, 4)
