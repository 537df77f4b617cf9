"""Rewards of GRPO, against values computed by hand and against exact expectations."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.finetune.reward import (
    MIN_P,
    RewardWeights,
    brier_rewards,
    group_rewards,
    hard_rewards,
    length_reward,
    log_rewards,
)
from scope.reasoner import ParsedReply, parse_reply

ONLY_CORRECT = RewardWeights(correct=1, length=0, form=0)


@pytest.mark.parametrize(
    ("predicted", "actual", "expected"),
    [
        pytest.param(200, 200, 1.0, id="exact"),
        pytest.param(300, 200, 1.0, id="within the tolerance of 100 tokens"),
        pytest.param(350, 200, 0.5, id="one and a half tolerances off"),
        pytest.param(400, 200, 0.0, id="two tolerances off"),
        pytest.param(1_250, 1_000, 1.0, id="a quarter of a long answer"),
        pytest.param(625, 1_000, 0.5, id="three eighths too short"),
    ],
)
def test_length_reward(predicted, actual, expected):
    """
    clip(2 - |predicted - actual| / max(100, actual / 4), 0, 1).
    """
    assert length_reward(predicted, actual) == expected


def expected_gradient(rewards_of, p, n):
    """Derivative by p of a group's expected reward, as GRPO follows it: the mean is subtracted."""
    total = 0.0
    for group in product([True, False], repeat=n):
        probability = np.prod([p if yes else 1 - p for yes in group])
        reward_g = np.asarray(rewards_of(group))
        score_g = np.array([1 / p if yes else -1 / (1 - p) for yes in group])
        total += probability * np.mean((reward_g - reward_g.mean()) * score_g)
    return total


@pytest.mark.parametrize("n", [3, 4, 8])
@given(p=st.floats(0.05, 0.95), outcome=st.sampled_from([0.0, 0.3, 1.0]))
def test_brier_rewards_follow_the_gradient_of_the_brier_score(n, p, outcome):
    """
    Of -(p - y)^2, for every size of the group: over all groups, not by simulation.
    """
    gradient = expected_gradient(lambda group: brier_rewards(group, outcome), p, n)

    assert gradient == pytest.approx(2 * (outcome - p), abs=1e-9)


@given(p=st.floats(0.05, 0.95), outcome=st.sampled_from([0.0, 0.3, 1.0]))
def test_log_rewards_follow_the_gradient_of_the_log_score(p, outcome):
    """
    Of y log p + (1 - y) log(1 - p).
    """
    gradient = expected_gradient(lambda group: log_rewards(group, [p] * 4, outcome), p, 4)

    assert gradient == pytest.approx((outcome - p) / (p * (1 - p)), rel=1e-9, abs=1e-9)


def test_hard_rewards_drive_a_probability_to_an_end():
    """
    Where 60 % of outcomes are yes the gradient is positive at every p: the best p is 1, not .6.
    """
    for p in (0.1, 0.6, 0.9):
        gradient = sum(
            share * expected_gradient(lambda group, y=y: hard_rewards(group, y), p, 4)
            for share, y in ((0.6, 1.0), (0.4, 0.0))
        )
        assert gradient == pytest.approx(0.75 * 0.2)


def test_the_group_mean_of_others_is_a_biased_reward():
    """
    2 a_i (y - mean of the others), less the mean of the group: its best p for y = .5 is not .5.
    """

    def obvious(group, y=0.5):
        yes = np.array(group, dtype=float)
        others = (yes.sum() - yes) / (len(yes) - 1)
        return 2 * yes * (y - others)

    assert expected_gradient(obvious, 0.5, 4) == pytest.approx(0.25)


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.floats(0, 1))
def test_brier_rewards_of_a_group_sum_to_zero(group, outcome):
    """
    So the mean that GRPO subtracts is 0.
    """
    assert brier_rewards(group, outcome).sum() == pytest.approx(0, abs=1e-9)


def test_a_certain_probability_has_a_bounded_log_reward():
    """
    A policy that is certain and wrong: as if its probability were MIN_P.
    """
    reward_g = log_rewards([True, False], [0.0, 0.0], 1.0)

    assert reward_g.tolist() == pytest.approx([1 / MIN_P, -1 / MIN_P])


def replies(*texts):
    return [parse_reply("Predicted Performance: {len:" + text) for text in texts]


def test_a_group_adds_its_terms():
    """
    Three answers yes, no, no where the model was right in 100 tokens, and a broken reply.

    Brier rewards of [yes, no, no]: 2 * 3/2 * (a - 1/3) * (1 - 0) = 2, -1, -1. Lengths 100 and 250
    are worth 1 and 1/2, 900 nothing.
    """
    group = replies(
        " 100, correct: yes}", " 250, correct: no}", " 900, correct: no}", " many, correct: yes"
    )

    reward_g = group_rewards(
        group, None, 1.0, 100.0, "brier", RewardWeights(correct=1, length=0.5, form=0.25)
    )

    assert reward_g.tolist() == [2 + 0.5 + 0.25, -1 + 0.25 + 0.25, -1 + 0.25, 0.0]


@pytest.mark.parametrize("score", ["brier", "log", "hard"])
def test_replies_that_cannot_be_parsed_get_nothing(score):
    """
    No answer, no length, no form.
    """
    reward_g = group_rewards([ParsedReply()] * 4, [np.nan] * 4, 1.0, 100.0, score, RewardWeights())

    assert reward_g.tolist() == [0, 0, 0, 0]


def test_the_log_score_reads_probabilities_of_parsed_replies_only():
    """
    p is the mean of .5 and .5; that of the broken reply is unknown.
    """
    group = replies(" 1, correct: yes}", " 1, correct: no}", " 1, correct")

    reward_g = group_rewards(group, [0.5, 0.5, np.nan], 1.0, 1.0, "log", ONLY_CORRECT)

    assert reward_g.tolist() == [2, -2, 0]
