import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope.forecast.neighbour_statistics import (
    effective_sample_size,
    measured_anchors,
    model_means,
    similarity_weights,
    weighted_means,
    weighted_quantiles,
)


@pytest.mark.parametrize(
    ("similarity", "outcome", "expected"),
    [
        pytest.param([1.0], [1.0], 1.0, id="one anchor is copied"),
        pytest.param([1.0, 0.5], [1.0, 0.0], 0.8, id="weights are squared"),
        pytest.param([1.0, -0.9], [1.0, 0.0], 1.0, id="dissimilar anchors have no say"),
        pytest.param([1.0, 1.0], [1.0, np.nan], 1.0, id="unmeasured anchors are left out"),
        pytest.param([-0.2], [1.0], np.nan, id="no evidence is NaN, not 0"),
        pytest.param([0.9], [np.nan], np.nan, id="never measured is NaN, not 0"),
    ],
)
def test_weighted_means(similarity, outcome, expected):
    """
    Each case is small enough to check by hand.
    """
    weight = similarity_weights(np.array([similarity]), 2.0)

    got = weighted_means(weight, np.array([outcome])[:, :, None])

    np.testing.assert_allclose(got, [[expected]])


def test_power_zero_gives_every_similar_anchor_weight_1():
    """
    Dissimilar anchors keep weight 0.
    """
    weight = similarity_weights(np.array([[0.9, 0.1, -0.5, 0.0]]), 0.0)

    np.testing.assert_array_equal(weight, [[1, 1, 0, 0]])


def test_shapes_must_agree():
    """
    The message shows both shapes.
    """
    with pytest.raises(ValueError, match=r"weight_qk \(1, 2\) and outcome_qkm \(1, 3, 1\)"):
        weighted_means(np.ones((1, 2)), np.ones((1, 3, 1)))


@pytest.mark.parametrize(
    ("weight", "outcome", "expected"),
    [
        pytest.param([2.0, 2.0, 2.0], [1, 0, 1], 3.0, id="equal weights count fully"),
        pytest.param([1.0, 0.0, 0.0], [1, 0, 1], 1.0, id="one weight is one anchor"),
        pytest.param([3.0, 1.0], [1, 1], 1.6, id="(3 + 1)^2 / (9 + 1)"),
        pytest.param([1.0, 1.0], [np.nan, 1], 1.0, id="unmeasured does not count"),
        pytest.param([0.0, 0.0], [1, 1], 0.0, id="no weight, no evidence"),
    ],
)
def test_effective_anchors(weight, outcome, expected):
    """
    Kish's effective sample size.
    """
    got = effective_sample_size(np.array([weight]), np.array([outcome], dtype=float)[:, :, None])

    np.testing.assert_allclose(got, [[expected]])


@pytest.mark.parametrize(
    ("weight", "outcome", "level", "expected"),
    [
        pytest.param([1, 1, 1, 1], [40, 10, 30, 20], 0.5, 20, id="median of equals"),
        pytest.param([1, 1, 1, 1], [40, 10, 30, 20], 0.1, 10, id="low end"),
        pytest.param([1, 1, 1, 1], [40, 10, 30, 20], 1.0, 40, id="all of it"),
        pytest.param([9, 1], [10, 20], 0.9, 10, id="exactly at the share"),
        pytest.param([1, 1], [np.nan, 20], 0.1, 20, id="unmeasured is left out"),
        pytest.param([1, 1], [np.nan, np.nan], 0.5, np.nan, id="unknown stays unknown"),
        pytest.param([0, 0], [1, 2], 0.5, np.nan, id="no weight, no quantile"),
    ],
)
def test_weighted_quantiles(weight, outcome, level, expected):
    """
    The smallest outcome that reaches the share.
    """
    got = weighted_quantiles(
        np.array([weight], dtype=float), np.array([outcome], dtype=float)[:, :, None], (level,)
    )

    np.testing.assert_allclose(got, [[[expected]]])


@given(st.integers(1, 6), st.integers(2, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_statistics_do_not_depend_on_the_batch(n_questions, n_anchors, n_models, seed):
    """
    To the last bit: routing must not depend on other questions.
    """
    rng = np.random.default_rng(seed)
    weight = rng.random((n_questions, n_anchors))
    outcome = rng.random((n_questions, n_anchors, n_models))
    outcome[rng.random(outcome.shape) < 0.3] = np.nan

    for function in (weighted_means, effective_sample_size):
        alone = [function(weight[[q]], outcome[[q]])[0] for q in range(n_questions)]
        np.testing.assert_array_equal(function(weight, outcome), alone)


def test_answers_that_a_policy_asked_for_do_not_raise_a_mean():
    """
    On 20 measured anchors both models are right on a half; then the first one is asked 100 times,
    where it is always right.
    """
    measured = np.tile([[1.0, 0.0], [0.0, 1.0]], (10, 1))
    asked = np.tile([[1.0, np.nan]], (100, 1))

    assert model_means(np.vstack([measured, asked]), 10.0).tolist() == [0.5, 0.5]


def test_a_model_known_from_few_anchors_leaves_them_measured():
    """
    The third model was added on 2 of 20 anchors: all 20 have most outcomes, and its mean counts.
    """
    outcome_am = np.full((20, 3), 1.0)
    outcome_am[2:, 2] = np.nan

    assert measured_anchors(outcome_am).all()
    assert model_means(outcome_am, 1e-9)[2] == pytest.approx(1.0)


def test_without_measured_anchors_all_count():
    """
    Nineteen with all outcomes are too few.
    """
    outcome_am = np.vstack([np.ones((19, 3)), np.tile([[1.0, np.nan, np.nan]], (5, 1))])

    assert measured_anchors(outcome_am).all()
