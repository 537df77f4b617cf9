import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.traffic.information import NOISE, choose_informative, nearest_cosine


def at(*degrees):
    """Unit vectors in a plane."""
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def choose(embedding_qd, anchor_ad, n, *, weights=None, candidates=None, groups=None):
    n_questions = len(embedding_qd)
    return choose_informative(
        embedding_qd,
        np.ones(n_questions) if weights is None else np.array(weights, dtype=float),
        anchor_ad,
        np.concatenate([embedding_qd, anchor_ad]),
        candidate_q=np.ones(n_questions, bool) if candidates is None else np.array(candidates),
        group_q=np.full(n_questions, -1) if groups is None else np.array(groups),
        n=n,
    ).tolist()


def exact_reductions(embedding_qd, weight_q, observed_ad):
    """The reduction of the summed variance by each question, from the whole covariance."""
    every_nd = np.concatenate([embedding_qd, observed_ad]).astype(float)
    prior_nn = np.exp((every_nd @ every_nd.T - 1) / 0.5)
    n = len(embedding_qd)
    seen_aa = prior_nn[n:, n:] + NOISE * np.eye(len(observed_ad))
    cov_qq = prior_nn[:n, :n] - prior_nn[:n, n:] @ np.linalg.solve(seen_aa, prior_nn[n:, :n])
    cov_qq += NOISE * np.eye(n)  # of each question's own
    return weight_q @ cov_qq**2 / np.diag(cov_qq)


def test_what_is_far_from_the_anchors_is_chosen_first():
    """
    One question beside the anchors, one opposite to them.
    """
    assert choose(at(5, 180), at(*[0] * 20), 1) == [1]


def test_what_is_asked_often_is_chosen_first():
    """
    Both are as far from the anchor.
    """
    assert choose(at(90, -90), at(0), 1, weights=[1, 3]) == [1]


def test_a_question_that_is_like_many_goes_before_one_that_is_like_none():
    """
    However far that one is from the anchors.
    """
    assert choose(at(180, 80, 85, 90, 95, 100), at(*[0] * 20), 1) == [3]


def test_two_places_are_better_than_the_same_twice():
    """
    An outcome nearby leaves less to learn.
    """
    assert sorted(choose(at(90, 91, 270), at(0), 2)) in ([0, 2], [1, 2])


def test_of_equal_questions_the_first_wins():
    """
    So that a sample can be repeated.
    """
    assert choose(at(90, 90), at(0), 1) == [0]


def test_of_a_group_one_question_is_chosen():
    """
    Fewer than asked for, if no others are left.
    """
    assert choose(at(90, 180, 270), at(0), 3, groups=[7, 7, 7]) == [1]
    assert len(choose(at(90, 180, 270), at(0), 3, groups=[7, 7, -1])) == 2


@pytest.mark.parametrize("candidates", [[False, True], [False, False]], ids=["one", "none"])
def test_only_candidates_are_chosen(candidates):
    """
    The others still tell what traffic asks.
    """
    assert choose(at(90, 270), at(0), 2, candidates=candidates) == [1] * any(candidates)


def test_without_questions_nothing_is_chosen():
    """
    Not an error: all may be near duplicates of anchors.
    """
    assert choose(np.empty((0, 2), np.float32), at(0), 2) == []


@given(
    st.lists(st.integers(0, 71), min_size=2, max_size=8, unique=True),
    st.lists(st.integers(0, 71), min_size=1, max_size=5),
    st.integers(0, 99),
)
def test_each_choice_is_the_best_by_the_whole_covariance(questions, anchors, seed):
    """
    The landmarks and the updates change nothing but the speed.
    """
    embedding_qd, anchor_ad = at(*(5 * q for q in questions)), at(*(5 * a for a in anchors))
    weight_q = np.random.default_rng(seed).integers(1, 10, size=len(questions)).astype(float)

    chosen = choose(embedding_qd, anchor_ad, 2, weights=weight_q)

    open_q, observed_ad = np.ones(len(questions), bool), anchor_ad
    for each in chosen:
        reduction_q = exact_reductions(embedding_qd, weight_q, observed_ad)
        assert reduction_q[each] >= reduction_q[open_q].max() * (1 - 1e-3)
        open_q[each] = False
        observed_ad = np.concatenate([observed_ad, embedding_qd[[each]]])


def test_the_nearest_of_several():
    """
    And -1, the least cosine, where there is none.
    """
    np.testing.assert_allclose(nearest_cosine(at(0, 90), at(60, 180)), [0.5, np.cos(np.pi / 6)])
    assert nearest_cosine(at(0), at()).tolist() == [-1]
