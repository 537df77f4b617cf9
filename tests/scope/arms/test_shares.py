import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.arms import majority_shares, scored_shares


def enumerated(n_correct, n_wrong, odds, diversity, groups=()):
    """Seat one wrong sample after the other: in a new group, or in one of the others."""
    n_seated = sum(groups)
    if n_seated == n_wrong:
        most = max(groups, default=0)
        return 0.0 if most > n_correct else odds / (odds + groups.count(n_correct))
    chance = 1 / (diversity + n_seated)
    total = diversity * chance * enumerated(n_correct, n_wrong, odds, diversity, (*groups, 1))
    for i, size in enumerate(groups):
        seated = (*groups[:i], size + 1, *groups[i + 1 :])
        total += size * chance * enumerated(n_correct, n_wrong, odds, diversity, seated)
    return total


def test_a_score_with_odds_of_three_picks_the_one_correct_of_four_in_half_of_the_cases():
    assert scored_shares(4, 3.0)[0] == pytest.approx(3 / (3 + 3))


def test_an_exponent_of_two_squares_the_counts():
    assert scored_shares(3, 1.0, 2.0)[:2] == pytest.approx([1 / 5, 4 / 5])


def test_a_verifier_always_picks_a_correct_sample():
    assert scored_shares(3, math.inf).tolist() == [1, 1, 1]


def test_two_votes_are_a_coin_flip():
    assert majority_shares(2, 1.0, 5.0) == pytest.approx([0.5, 1.0])


def test_two_correct_of_five_win_unless_the_wrong_ones_agree():
    """
    Diversity 1, three wrong samples: all agree with 1/3 and win, two of them with 1/2 and tie,
    none with 1/6 and lose: 0 + 1/4 + 1/6.
    """
    assert majority_shares(5, 1.0, 1.0)[1] == pytest.approx(5 / 12)


@pytest.mark.parametrize(("odds", "diversity"), [(1.0, 0.3), (1.0, 8.0), (2.5, 1.5)])
def test_a_majority_equals_the_enumeration_of_all_groups(odds, diversity):
    expected = [enumerated(k, 7 - k, odds, diversity) for k in range(1, 8)]
    assert majority_shares(7, odds, diversity) == pytest.approx(expected)


def test_wrong_samples_that_all_agree_lose_only_to_more_than_half():
    assert majority_shares(6, 1.0, 1e-9) == pytest.approx([0, 0, 0.5, 1, 1, 1], abs=1e-6)


def test_one_correct_among_all_different_answers_is_as_likely_as_the_others():
    assert majority_shares(9, 1.0, 1e9)[0] == pytest.approx(1 / 9)


@given(st.integers(1, 99), st.floats(0.1, 10), st.floats(1e-3, 1e5))
def test_more_correct_samples_win_more_often(n, odds, diversity):
    shares_n = majority_shares(n, odds, diversity)
    assert np.all((shares_n >= 0) & (shares_n <= 1))
    assert np.all(np.diff(shares_n) >= -1e-9)
    assert shares_n[-1] == 1


@given(st.integers(1, 99), st.floats(0, 1e6), st.floats(0.05, 5))
def test_more_correct_samples_score_higher(n, odds, exponent):
    shares_n = scored_shares(n, odds, exponent)
    assert np.all((shares_n >= 0) & (shares_n <= 1))
    assert np.all(np.diff(shares_n) >= -1e-9)
